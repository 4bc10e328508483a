package board

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"time"
)

//go:embed static templates
var files embed.FS

// assets serves the embedded files. Each has its own hash as its tag and is
// asked for again on every load, so that a wall screen never mixes two versions.
type assets map[string]asset

type asset struct {
	body []byte
	kind string
	tag  string
}

func loadAssets() (assets, error) {
	names, err := fs.Glob(files, "static/*")
	if err != nil {
		return nil, fmt.Errorf("list static files: %w", err)
	}
	out := make(assets, len(names))
	for _, name := range names {
		body, err := files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read static file %s: %w", name, err)
		}
		hash := sha256.Sum256(body)
		out[path.Base(name)] = asset{body, kindOf(name), `"` + hex.EncodeToString(hash[:12]) + `"`}
	}
	return out, nil
}

// kindOf names the content type without asking the machine's own tables, which
// on some systems call a script plain text.
func kindOf(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return mime.TypeByExtension(path.Ext(name))
}

// ServeHTTP serves /static/{file}.
func (a assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file, ok := a[r.PathValue("file")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", file.kind)
	h.Set("ETag", file.tag)
	h.Set("Cache-Control", "no-cache")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file.body))
}

// templates are the pages by name, each with the layout around it.
type templates map[string]*template.Template

func parseTemplates(words template.FuncMap) (templates, error) {
	layout, err := template.New("layout").Funcs(words).ParseFS(files, "templates/layout.html", "templates/glyphs.html", "templates/rows.html")
	if err != nil {
		return nil, fmt.Errorf("parse layout: %w", err)
	}
	out := templates{}
	for _, name := range []string{"live", "device", "alarms", "pages", "problem"} {
		page, err := layout.Clone()
		if err == nil {
			page, err = page.ParseFS(files, "templates/"+name+".html")
		}
		if err != nil {
			return nil, fmt.Errorf("parse template %s: %w", name, err)
		}
		out[name] = page
	}
	return out, nil
}
