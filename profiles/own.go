package profiles

import (
	_ "embed"
	"fmt"
	"slices"

	"github.com/goccy/go-yaml"

	"medfleet"
)

//go:embed data/own/own.yaml
var ownText []byte

// ownFile is what is declared of medfleet's own parts, and of every device.
type ownFile struct {
	Every []Metric   `yaml:"every"`
	Own   []*Profile `yaml:"own"`
}

// SkewMetric is the metric every class has beside its state: by how many seconds
// the device's clock is ahead of its gateway's.
const SkewMetric = "clock_skew"

// Own gives what a gateway or a feed says of itself, under the name of its
// measurement. It is a profile without states.
func (s *Set) Own(measurement medfleet.Class) (*Profile, bool) {
	i := slices.IndexFunc(s.own, func(p *Profile) bool { return p.Class == measurement })
	if i < 0 {
		return nil, false
	}
	return s.own[i], true
}

// Owned lists what Own gives, by name.
func (s *Set) Owned() []*Profile { return s.own }

func readOwn() (ownFile, error) {
	var own ownFile
	if err := yaml.UnmarshalWithOptions(ownText, &own, yaml.Strict()); err != nil {
		return own, fmt.Errorf("load own profiles: %w", err)
	}
	for _, p := range own.Own {
		if err := p.nameMetrics(); err != nil {
			return own, fmt.Errorf("own profile %s: %w", p.Class, err)
		}
	}
	return own, nil
}
