package paging

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet"
)

func TestChannelsThatAreDeclaredWrongly(t *testing.T) {
	folder := t.TempDir()
	secret := filepath.Join(folder, "url")
	require.NoError(t, os.WriteFile(secret, []byte("https://pager.example.org/S3CRET\n"), 0o600))
	means := Means{Console: io.Discard}
	for name, c := range map[string]struct {
		configs []ChannelConfig
		means   Means
		want    []string // nil: it is right
	}{
		"none is the console":    {nil, means, nil},
		"none and no console":    {nil, Means{}, nil},
		"a webhook":              {[]ChannelConfig{{Name: "a", Kind: Webhook, URL: "https://pager.example.org/x"}}, means, nil},
		"loopback in plain http": {[]ChannelConfig{{Name: "a", Kind: Webhook, URL: "http://127.0.0.1:9/x"}}, means, nil},
		"plain http":             {[]ChannelConfig{{Name: "a", Kind: Webhook, URL: "http://pager.example.org/S3CRET"}}, means, []string{`channel "a"`, "plain http", "insecure: true"}},
		"plain http, meant":      {[]ChannelConfig{{Name: "a", Kind: Webhook, URL: "http://pager.example.org/x", Insecure: true}}, means, nil},
		"an address in a file":   {[]ChannelConfig{{Name: "a", Kind: Webhook, URLFile: secret}}, means, nil},
		"a file that is missing": {[]ChannelConfig{{Name: "a", Kind: Webhook, URLFile: secret + "x"}}, means, []string{"read url_file", "urlx"}},
		"both":                   {[]ChannelConfig{{Name: "a", Kind: Webhook, URL: "https://h/S3CRET", URLFile: secret}}, means, []string{"want one of them"}},
		"no address":             {[]ChannelConfig{{Name: "a", Kind: Webhook, URL: "S3CRET"}}, means, []string{"want an address"}},
		"another scheme":         {[]ChannelConfig{{Name: "a", Kind: Webhook, URL: "ftp://S3CRET"}}, means, []string{"want an address"}},
		"an odd kind":            {[]ChannelConfig{{Name: "a", Kind: "pigeon"}}, means, []string{`"pigeon"`, "webhook or console"}},
		"an odd name":            {[]ChannelConfig{{Name: "A b", Kind: Console}}, means, []string{`"A b"`, "lower-case"}},
		"an odd priority":        {[]ChannelConfig{{Name: "a", Kind: Console, Priorities: []medfleet.Priority{"high"}}}, means, []string{`"high"`, "now, today or round"}},
		"a name twice":           {[]ChannelConfig{{Name: "a", Kind: Console}, {Name: "a", Kind: Console}}, means, []string{"taken"}},
		"no console here":        {[]ChannelConfig{{Name: "a", Kind: Console}}, Means{}, []string{"no console"}},
		"all at once":            {[]ChannelConfig{{Name: "a", Kind: "x"}, {Name: "b", Kind: "y"}}, means, []string{`"x"`, `"y"`}},
		"too many":               {make([]ChannelConfig, 17), means, []string{"at most 16"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := build(c.configs, c.means)
			if c.want == nil {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			for _, w := range c.want {
				require.ErrorContains(t, err, w)
			}
			require.NotContains(t, err.Error(), "S3CRET")
		})
	}
}

func TestASecretDoesNotShow(t *testing.T) {
	c := ChannelConfig{Name: "a", URL: "https://h/S3CRET"}
	j, err := json.Marshal(c)
	require.NoError(t, err)
	for _, text := range []string{fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c), fmt.Sprintf("%q %s", c.URL, c.URL), string(j)} {
		require.NotContains(t, text, "S3CRET")
	}
}

func TestAChannelTakesItsPriorities(t *testing.T) {
	b, err := New(Options{Channels: []ChannelConfig{{Name: "a", Kind: Console, Priorities: []medfleet.Priority{medfleet.Now}}}, Means: Means{Console: io.Discard}})
	require.NoError(t, err)
	require.Equal(t, []medfleet.Priority{medfleet.Now}, b.Priorities())
}
