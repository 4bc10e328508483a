package main

import (
	"io"
	"os"

	"github.com/mattn/go-isatty"
)

// onTerminal reports whether a person sees what is written there.
func onTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// paint writes in colours, or plainly where nobody sees them or somebody said
// that they do not want them (no-color.org).
type paint struct{ on bool }

func paintFor(w io.Writer) paint {
	return paint{onTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func (p paint) in(code, text string) string {
	if !p.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p paint) bold(s string) string   { return p.in("1", s) }
func (p paint) dim(s string) string    { return p.in("2", s) }
func (p paint) green(s string) string  { return p.in("32", s) }
func (p paint) yellow(s string) string { return p.in("33", s) }
func (p paint) red(s string) string    { return p.in("31", s) }
