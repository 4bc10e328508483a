package profiles

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"

	"github.com/goccy/go-yaml"

	"medfleet"
)

//go:embed data/*.yaml data/faults/*.yaml
var embedded embed.FS

type groupsFile struct {
	Groups map[string][]Metric `yaml:"groups"`
}

type conditionsFile struct {
	Conditions []Condition `yaml:"conditions"`
}

// Load reads the embedded profiles and, unless folder is empty, those in the
// user's folder; likewise the makers' error codes in its folder faults. A file
// that is wrong is refused with its place.
func Load(folder string) (*Set, error) {
	inside, err := fs.Sub(embedded, "data")
	if err != nil {
		return nil, fmt.Errorf("open embedded profiles: %w", err)
	}
	b := &builder{classes: map[medfleet.Class]*Profile{}}
	if err := b.read(inside, "embedded"); err != nil {
		return nil, fmt.Errorf("load embedded profiles: %w", err)
	}
	if folder != "" {
		if at, err := os.Stat(folder); err != nil || !at.IsDir() {
			return nil, fmt.Errorf("load profiles: %s is no folder that can be read: name the folder of your own profiles, or none", folder)
		}
		if err := b.read(os.DirFS(folder), folder); err != nil {
			return nil, fmt.Errorf("load profiles in %s: %w", folder, err)
		}
	}
	return b.build()
}

type builder struct {
	groups     groupsFile
	conditions conditionsFile
	classes    map[medfleet.Class]*Profile
	faults     map[string]*placedFault // by model and code
}

func (b *builder) read(dir fs.FS, place string) error {
	for _, pattern := range []string{"*.yaml", faultsFolder + "/*.yaml"} {
		names, err := fs.Glob(dir, pattern)
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := b.file(dir, name, path.Join(place, name)); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

// faultsFolder is where the makers' error codes stand beside the profiles.
const faultsFolder = "faults"

func (b *builder) file(dir fs.FS, name, place string) error {
	text, err := fs.ReadFile(dir, name)
	if err != nil {
		return err
	}
	if path.Dir(name) == faultsFolder {
		var faults faultsFile
		if err := yaml.UnmarshalWithOptions(text, &faults, yaml.Strict()); err != nil {
			return err
		}
		return b.faultFile(faults, name, place)
	}
	switch path.Base(name) {
	case "groups.yaml":
		return yaml.UnmarshalWithOptions(text, &b.groups, yaml.Strict())
	case "conditions.yaml":
		return yaml.UnmarshalWithOptions(text, &b.conditions, yaml.Strict())
	}
	p := new(Profile)
	if err := yaml.UnmarshalWithOptions(text, p, yaml.Strict()); err != nil {
		return err
	}
	p.place = place
	b.classes[p.Class] = p
	return nil
}

func (b *builder) build() (*Set, error) {
	own, err := readOwn()
	if err != nil {
		return nil, err
	}
	s := &Set{
		own:        own.Own,
		conditions: b.conditions.Conditions,
		byClass:    b.classes, byCondition: map[string]*Condition{},
		eventRefid: map[string]*Condition{}, eventCode: map[uint32]*Condition{},
		deviceRefid: map[string]*Profile{}, deviceCode: map[uint32]*Profile{},
		metricRefid: map[string]string{}, metricCode: map[uint32]string{},
		implied: map[Code]*Profile{},
	}
	for _, p := range b.classes {
		if err := p.complete(own.Every, b.groups.Groups); err != nil {
			return nil, fmt.Errorf("profile %s in %s: %w", p.Class, p.place, err)
		}
		s.classes = append(s.classes, p)
	}
	slices.SortFunc(s.classes, func(x, y *Profile) int { return cmp.Compare(x.Class, y.Class) })
	s.index()
	if err := b.buildFaults(s); err != nil {
		return nil, fmt.Errorf("load error codes: %w", err)
	}
	return s, nil
}

// index fills the tables by reference id and by number.
func (s *Set) index() {
	for i := range s.conditions {
		c := &s.conditions[i]
		s.byCondition[c.Name] = c
		for _, code := range c.Codes {
			s.eventCode[code.Number] = c
			if code.RefID != "" {
				s.eventRefid[code.RefID] = c
			}
		}
	}
	for _, p := range s.classes {
		for _, code := range p.Devices {
			s.deviceCode[code.Number] = p
			if code.RefID != "" {
				s.deviceRefid[code.RefID] = p
			}
		}
		for _, code := range p.Implied {
			s.implied[Code{Number: code.Number}] = p
			if code.RefID != "" {
				s.implied[Code{RefID: code.RefID}] = p
			}
		}
		for _, m := range p.Metrics {
			for _, code := range m.Codes {
				s.metricCode[code.Number] = m.Name
				if code.RefID != "" {
					s.metricRefid[code.RefID] = m.Name
				}
			}
		}
	}
}

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// Reserved measurements and fields that a class or a metric may not take.
var (
	reservedClasses = []medfleet.Class{"event", "usage", "fleet", "alarm", "gateway", "feed", "gap", "attachment"}
	reservedMetrics = []string{"gateway", "feed", "device_time", "device", "class", "model", "site", "unit", "time"}
)

// complete checks a profile and adds the metric "state", those that every class
// has and its groups'.
func (p *Profile) complete(every []Metric, groups map[string][]Metric) error {
	if !nameForm.MatchString(string(p.Class)) || slices.Contains(reservedClasses, p.Class) {
		return fmt.Errorf("class %q: want lower-case letters, digits and _, and none of %v", p.Class, reservedClasses)
	}
	all := []Metric{{Name: StateMetric, Title: "state", Kind: Enum, Max: float64(len(p.States) - 1)}}
	all = append(all, every...)
	for _, g := range p.Include {
		metrics, ok := groups[g]
		if !ok {
			return fmt.Errorf("include: there is no group %q in groups.yaml", g)
		}
		all = append(all, metrics...)
	}
	p.Metrics = append(all, p.Metrics...)
	return errors.Join(p.checkStates(), p.nameMetrics())
}

func (p *Profile) checkStates() error {
	if len(p.States) == 0 || p.Silence <= 0 {
		return errors.New("states and silence: both are needed")
	}
	allowed := []medfleet.State{medfleet.InUse, medfleet.Idle, medfleet.Off, medfleet.OutOfService}
	for _, st := range p.States {
		if !nameForm.MatchString(st.Name) || !slices.Contains(allowed, st.Means) {
			return fmt.Errorf("state %q means %q: want one of %v", st.Name, st.Means, allowed)
		}
	}
	return nil
}

func (p *Profile) nameMetrics() error {
	p.byName = make(map[string]*Metric, len(p.Metrics))
	for i := range p.Metrics {
		m := &p.Metrics[i]
		if m.Kind == Flag {
			m.Max = 1
		}
		switch {
		case !nameForm.MatchString(m.Name) || slices.Contains(reservedMetrics, m.Name):
			return fmt.Errorf("metric %q: want lower-case letters, digits and _, and none of %v", m.Name, reservedMetrics)
		case p.byName[m.Name] != nil:
			return fmt.Errorf("metric %q is declared twice", m.Name)
		case m.Max <= m.Min && m.Kind != Enum:
			return fmt.Errorf("metric %q: max must be above min", m.Name)
		}
		p.byName[m.Name] = m
	}
	return nil
}
