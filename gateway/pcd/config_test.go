package pcd

import (
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
)

func TestTheConfigurationAsItIsWritten(t *testing.T) {
	const text = `
senders:
- name: pump racks
  match: {application: "SPACE*", facility: BBRAUN, peer: 10.4.0.0/16}
  identity: obx18.1
  class: syringe_pump
  model: Perfusor Space
  unit: 4W
  time_zone: Europe/Berlin
  answer: original
  aliases: {"2449": P2449}
`
	var c Config
	require.NoError(t, yaml.UnmarshalWithOptions([]byte(text), &c, yaml.Strict()))
	require.Equal(t, Config{Senders: []Sender{{
		Name: "pump racks", Match: Match{Application: "SPACE*", Facility: "BBRAUN", Peer: "10.4.0.0/16"}, Identity: "obx18.1",
		Class: "syringe_pump", Model: "Perfusor Space", Unit: "4W", TimeZone: "Europe/Berlin", Answer: AnswerOriginal,
		Aliases: map[string]string{"2449": "P2449"},
	}}}, c)
	m, err := New(Options{Config: c, Profiles: profileSet(t)})
	require.NoError(t, err)
	res := mapOne(t, m, pumpReport()...)
	require.Equal(t, "pump racks", res.Sender.Name)
	require.False(t, res.NoZone)
}
