package sparkplug

import (
	"os"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"medfleet/simulators/edgenode"
)

// reference is the feed that the reference configuration shows, taken out of its
// comment.
func reference(t *testing.T) Config {
	t.Helper()
	text, err := os.ReadFile("../../deploy/medfleet.yaml")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "    # sparkplug:")
	require.True(t, found)
	var b strings.Builder
	b.WriteString("sparkplug:")
	for line := range strings.Lines(rest) {
		if b.Len() > len("sparkplug:") && !strings.HasPrefix(line, "    # ") {
			break
		}
		b.WriteString(strings.TrimPrefix(line, "    # "))
	}
	var file struct {
		Sparkplug []Config `yaml:"sparkplug"`
	}
	require.NoError(t, yaml.UnmarshalWithOptions([]byte(b.String()), &file, yaml.Strict()), b.String())
	require.Len(t, file.Sparkplug, 1)
	c := file.Sparkplug[0]
	c.Complete("gateway.mqtt.sparkplug[0]", "edge-1")
	return c
}

func TestTheReferenceConfigurationIsGood(t *testing.T) {
	c := reference(t)
	require.NoError(t, c.Check())
	require.Equal(t, "medfleet-edge-1-sparkplug", c.ClientID)
	require.Len(t, c.Mappings, 2)
	w := newWard(t, func(o *HostOptions) { o.Mappings = c.Mappings })
	w.pump.Set("Battery/Runtime", edgenode.Double(1.5))
	w.pump.Set("Door", edgenode.Text("OPEN"))
	w.pump.Set("Error", edgenode.Text("E17"))
	w.pump.Set("Status", edgenode.Int32(1))
	w.born()
	require.Empty(t, w.errs)
	w.says("battery_runtime", 90)
	w.says("state", 2)
	require.Equal(t, []string{"offline end", "battery_low end", "door_open start", "battery_fault start"}, w.events())
	require.Equal(t, pumpID, w.said.Observations[0].Device)
	require.Equal(t, "E17", w.said.Events[3].Code)

	w.pump.Set("Error", edgenode.Text("0"))
	w.take(w.node.Data(w.pump, "Error"))
	require.Equal(t, []string{"battery_fault end"}, w.events())
	require.Empty(t, w.said.Events[0].Code, "it is over under whatever code it began")
}
