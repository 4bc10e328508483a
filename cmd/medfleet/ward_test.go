package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/processtest"
)

// ward is a demonstration that runs in a process of its own.
type ward struct {
	*program
	web    string // address of the board and the API
	folder string // where its data is kept
	temp   string // where it may make temporary folders
}

// startWard starts a demonstration on ports of its own.
func startWard(t *testing.T, folder string, args ...string) *ward {
	t.Helper()
	w := &ward{web: processtest.FreeAddress(t), folder: folder, temp: t.TempDir()}
	all := append([]string{"demo", "--web.listen", w.web, "--mqtt.listen", processtest.FreeAddress(t), "--hl7.listen", processtest.FreeAddress(t)}, args...)
	if folder != "" {
		all = append(all, "--data.dir", folder)
	}
	w.program = &program{args: all, mode: "on", log: filepath.Join(t.TempDir(), "demo.log"), env: []string{"TMPDIR=" + w.temp}}
	w.begin(t)
	return w
}

// console is what it has printed so far.
func (w *ward) console(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(w.log)
	require.NoError(t, err)
	return string(text)
}

// get reads a list or an object of the API; false while there is no good answer.
func (w *ward) get(path string, into any) bool {
	answer, err := http.Get("http://" + w.web + path)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK && json.NewDecoder(answer.Body).Decode(into) == nil
}

type list[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next"`
}

func (w *ward) devices() []medfleet.Device {
	var all list[medfleet.Device]
	w.get("/api/v1/devices?limit=1000", &all)
	return all.Items
}

func (w *ward) alarms(query string) []medfleet.Alarm {
	var all list[medfleet.Alarm]
	w.get("/api/v1/alarms?limit=1000&"+query, &all)
	return all.Items
}

// write sends line protocol as any InfluxDB client would.
func (w *ward) write(t *testing.T, lines ...string) (status int, body []byte) {
	t.Helper()
	answer, err := http.Post("http://"+w.web+"/api/v2/write?org=-&bucket=-&precision=ms", "text/plain; charset=utf-8", strings.NewReader(strings.Join(lines, "\n")))
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err = io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, body
}

// report is a line of a pump that the simulators do not know.
func report(device, fields string) string {
	return fmt.Sprintf("infusion_pump,device=%s,model=Own,unit=LAB %s %d", device, fields, time.Now().UnixMilli())
}

// eventually waits for something that a slow machine takes long for.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	require.Eventually(t, is, 60*time.Second, 100*time.Millisecond, what)
}

// lineWith gives the first line that has all of the words.
func lineWith(text string, words ...string) string {
	for line := range bytes.Lines([]byte(text)) {
		all := true
		for _, w := range words {
			all = all && bytes.Contains(line, []byte(w))
		}
		if all {
			return string(line)
		}
	}
	return ""
}
