package foreign_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/gateway/mqtt/foreign"
)

// The messages that the reference configuration shows beside its mappings.
func TestTheExamplesOfTheReferenceConfigurationWork(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "deploy", "medfleet.yaml"))
	require.NoError(t, err)
	var file struct {
		Gateway struct {
			MQTT struct {
				Mappings []foreign.Mapping `yaml:"mappings"`
			} `yaml:"mqtt"`
		} `yaml:"gateway"`
	}
	require.NoError(t, yaml.Unmarshal(text, &file))
	s, err := foreign.New(foreign.Options{Mappings: file.Gateway.MQTT.Mappings, Profiles: declared(t), Section: "m"})
	require.NoError(t, err)
	r := s.NewReader()

	got, err := r.Read(message("hospital/north/ICU/9/telemetry", `{"ts":1785419998500,"serial":"104482","battery":{"level":87.5,"mv":12600,"low":false},
		"mains":"AC","status":"RUN","runtime":600,"fault":"E17","patient":{"name":"Quintero"}}`), received)
	require.NoError(t, err)
	require.Equal(t, medfleet.Equipment{Device: "104482", Class: "infusion_pump", Model: "Agilia VP", Site: "north", Unit: "ICU"}, got.Observations[0].Equipment)
	require.Len(t, got.Observations[0].Readings, 5)
	require.Equal(t, []string{"104482 battery_low end", "104482 device_failure end", "104482 battery_fault start E17"}, told(got))
	require.Equal(t, 1, got.Dropped)

	got, err = r.Read(message("racks/7/2/data", `{"at":"2026-07-30 15:59:58","pumps":[{"sn":"R-1","values":[{"n":"BATT","v":"87","u":"%"}],
		"log":[{"code":"AIL","state":"ON","at":"2026-07-30 15:59:50"}]},{"values":[]}]}`), received)
	require.NoError(t, err)
	require.Equal(t, []medfleet.Reading{{Metric: "battery_charge", Value: 87}}, got.Observations[0].Readings)
	require.Equal(t, []string{"R-1 air_in_line start AIL"}, told(got))
	require.Equal(t, received-10_000, got.Events[0].Time)
	require.Equal(t, medfleet.DeviceID("7-2"), got.Observations[1].Device)

	got, err = r.Read(message("hospital/north/ICU/P-9/LWT", "Offline"), received)
	require.NoError(t, err)
	require.Equal(t, []string{"P-9 offline start"}, told(got))
}
