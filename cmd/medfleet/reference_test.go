package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWhatTheReferenceShowsOfHL7IsMeantSo reads what the reference configuration
// shows in comments, so that no key in it can be wrong.
func TestWhatTheReferenceShowsOfHL7IsMeantSo(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "medfleet.yaml"))
	require.NoError(t, err)
	before, section, found := strings.Cut(string(text), "\n  hl7:")
	require.True(t, found)
	section, after, found := strings.Cut(section, "\n    senders:")
	require.True(t, found)
	comment := regexp.MustCompile(`(\n +)# `)
	for range 2 { // a comment inside a comment
		section = comment.ReplaceAllString(section, "$1")
	}
	t.Setenv("MEDFLEET_EDGE_1_TOKEN", "0123456789abcdef0123")
	f, err := parseFile("medfleet.yaml", []byte(before+"\n  hl7:"+section+"\n    senders:"+after))
	require.NoError(t, err)
	c := f.Gateway.HL7
	require.True(t, c.TLS.On())
	require.Len(t, c.Listeners, 1)
	require.Len(t, c.Dial, 1)
	require.Len(t, c.Poll, 1)
	require.Len(t, c.Poll[0].Query.Parameters, 2)
	require.NotZero(t, c.FrameTimeout)
	require.NotEmpty(t, c.Senders)
	require.ErrorContains(t, c.Check(), "gateway.hl7.tls.cert_file")
}
