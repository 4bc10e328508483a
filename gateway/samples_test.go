package gateway

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/gateway/hl7"
	"medfleet/record"
)

// samplesEnv names a folder with HL7 messages from elsewhere, files that end in
// .hl7, each one message or a batch. None of them is part of this project.
const samplesEnv = "MEDFLEET_HL7_SAMPLES"

// TestSamplesFromElsewhere sends each file of that folder as a frame to a gateway:
// each of its messages ends as observations or events, as understood and nothing
// for us, or as a dead letter with a reason, and has its answer.
func TestSamplesFromElsewhere(t *testing.T) {
	folder := os.Getenv(samplesEnv)
	if folder == "" {
		t.Skip(samplesEnv + " names no folder with HL7 messages")
	}
	files := sampleFiles(t, folder)
	require.NotEmpty(t, files, "there is no *.hl7 below %s", folder)
	tally := map[string]int{}
	for _, path := range files {
		t.Run(filepath.Base(filepath.Dir(path))+"/"+filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			tally[requireSample(t, text)]++
		})
	}
	t.Logf("%d files: %v", len(files), tally)
}

func sampleFiles(t *testing.T, folder string) (files []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.EqualFold(filepath.Ext(path), ".hl7") {
			files = append(files, path)
		}
		return err
	}))
	return files
}

// requireSample gives what became of a file.
func requireSample(t *testing.T, text []byte) (fate string) {
	t.Helper()
	centre := newCentre(t)
	e := startEdge(t, centre, t.TempDir())
	want, messages := wantedAnswers(text)
	answers, closed := converse(t, e.hl7, frame(string(text)))
	require.False(t, closed, "HL7 ends no connection")
	require.Equal(t, want, strings.Join(answers, ", "))
	c := e.Counts()
	kept, nothing, asked, bad := c.Kept.Load()-1, c.Nothing.Load(), c.Asked.Load(), c.NotUnderstood.Load()
	require.Equal(t, uint64(messages), kept+asked+bad, "each message has one end; what is nothing for us is kept as a sign of life or as nothing")
	e.carries(Events)
	e.carries(Telemetry)
	for _, l := range centre.of(record.Event) {
		require.False(t, bytes.Contains(text, []byte("~SP")), "a patient's alert became an event")
		require.NotEqual(t, string(medfleet.Clinical), l.Text("kind"))
	}
	letters := e.letters()
	require.Len(t, letters, int(bad))
	for _, l := range letters {
		require.Contains(t, l, `"reason":"`)
	}
	requireNoPatient(t, text, e.written())
	switch {
	case bad > 0:
		return "dead letters"
	case nothing == uint64(messages):
		return "nothing for us"
	case asked > 0:
		return "asks us"
	}
	return "records"
}

// wantedAnswers reads from the messages what the table of answers says about them.
func wantedAnswers(text []byte) (answers string, messages int) {
	var all []string
	for m, err := range hl7.Messages(text) {
		messages++
		h := m.Header()
		kind := h.Field(9).Component(1).String()
		if err != nil && h.Name() == "" || kind == "ACK" {
			continue
		}
		verdict, class := "A", "A"
		if kind == "QRY" || kind == "QBP" {
			verdict = "R"
		}
		switch accept, application := h.Field(15).String(), h.Field(16).String(); {
		case accept == "" && application == "":
		case accept == "AL", accept == "SU" && verdict == "A", accept == "ER" && verdict == "R":
			class = "C"
		case application == "NE", application == "":
			continue
		}
		all = append(all, class+verdict+" "+string(h.Field(10).Bytes()))
	}
	return strings.Join(all, ", "), messages
}

// requireNoPatient looks for the patient's names and numbers, PID-3 and PID-5, in
// what a gateway wrote. What the header says is the sender's.
func requireNoPatient(t *testing.T, text, written []byte) {
	t.Helper()
	for m := range hl7.Messages(text) {
		header, pid := m.Header().Bytes(), m.First("PID")
		for _, n := range []int{3, 5} {
			for c := range pid.Field(n).Components() {
				if v := c.Bytes(); len(v) > 4 && !bytes.Contains(header, v) {
					require.False(t, bytes.Contains(written, v), "PID-%d is in what the gateway wrote", n)
				}
			}
		}
	}
}
