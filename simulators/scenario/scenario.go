// Package scenario reads what is to go wrong in a simulated fleet, and when.
// A scenario is data: YAML embedded in the program, or a file of the user's own.
//
//	about: a ward with one bad battery
//	faults:
//	- fault: battery_fade       # battery_fade | occlusion_burst | self_test_failed | silence
//	  class: infusion_pump      # which devices: a class, or device: PUMP-1042
//	  count: 1                  # how many of them
//	  after: 8s                 # from the start of the run
//	  for: 37s                  # how long it lasts
//	  every: 3m                 # optional: again and again, on devices drawn anew
package scenario

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"medfleet"
	"medfleet/simulators/physics"
)

//go:embed data/*.yaml
var embedded embed.FS

// Limits of a scenario: bytes of its file, number of its faults, devices that one
// of them strikes.
const (
	MaxBytes  = 1 << 20
	MaxFaults = 1000
	MaxCount  = 10000
)

// Scenario is a list of faults with their times.
type Scenario struct {
	Name   string
	About  string
	Faults []Injection
}

// Injection is a fault, when it begins and ends, and whom it strikes: Count
// devices of a class, or the one device named.
type Injection struct {
	Fault  physics.Fault
	Class  medfleet.Class
	Device medfleet.DeviceID
	Count  int
	After  time.Duration
	For    time.Duration
	Every  time.Duration // 0: once
}

// Names lists the embedded scenarios.
func Names() []string {
	files, _ := fs.Glob(embedded, "data/*.yaml") // the pattern is sound and the folder is in the program
	for i, f := range files {
		files[i] = strings.TrimSuffix(strings.TrimPrefix(f, "data/"), ".yaml")
	}
	return files
}

// Load gives the embedded scenario of that name, or reads the file when the name
// ends in .yaml or .yml.
func Load(name string) (Scenario, error) {
	if strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml") {
		text, err := readFile(name)
		if err != nil {
			return Scenario{}, fmt.Errorf("load scenario: %w", err)
		}
		return Parse(name, text)
	}
	if !slices.Contains(Names(), name) {
		return Scenario{}, fmt.Errorf("load scenario %q: want one of %s, or the path of a .yaml file", name, strings.Join(Names(), ", "))
	}
	text, err := embedded.ReadFile("data/" + name + ".yaml")
	if err != nil {
		return Scenario{}, fmt.Errorf("load scenario %q: %w", name, err)
	}
	return Parse(name, text)
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err != nil {
		return nil, err
	}
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("read %s: more than %d bytes is no scenario", name, MaxBytes)
	}
	return text, nil
}

// document is a scenario as it is written. Durations are text here, so that a
// wrong one can be told with its place.
type document struct {
	About  string  `yaml:"about"`
	Faults []entry `yaml:"faults"`
}

type entry struct {
	Fault  physics.Fault     `yaml:"fault"`
	Class  medfleet.Class    `yaml:"class"`
	Device medfleet.DeviceID `yaml:"device"`
	Count  *int              `yaml:"count"`
	After  string            `yaml:"after"`
	For    string            `yaml:"for"`
	Every  string            `yaml:"every"`
}

// Parse reads a scenario. Errors begin with name:line:column and there may be
// several, joined.
func Parse(name string, text []byte) (Scenario, error) {
	s := Scenario{Name: name}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return s, located(name, err)
	}
	var doc document
	if err := yaml.UnmarshalWithOptions(text, &doc, yaml.Strict()); err != nil && !errors.Is(err, io.EOF) {
		return s, located(name, err)
	}
	if len(doc.Faults) > MaxFaults {
		return s, fmt.Errorf("%s: %d faults are too many: at most %d", name, len(doc.Faults), MaxFaults)
	}
	s.About = doc.About
	var wrong []error
	for i := range doc.Faults {
		in, key, err := doc.Faults[i].injection()
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s:%s: %w", name, position(file, i, key), err))
		}
		s.Faults = append(s.Faults, in)
	}
	return s, errors.Join(wrong...)
}

// injection reads and checks an entry, and names the key that is wrong.
func (e *entry) injection() (in Injection, key string, err error) {
	in = Injection{Fault: e.Fault, Class: e.Class, Device: e.Device, Count: 1}
	if e.Count != nil {
		in.Count = *e.Count
	}
	for _, d := range []struct {
		key, text string
		to        *time.Duration
	}{{"after", e.After, &in.After}, {"for", e.For, &in.For}, {"every", e.Every, &in.Every}} {
		if d.text == "" {
			continue
		}
		if *d.to, err = time.ParseDuration(d.text); err != nil {
			return in, d.key, fmt.Errorf("%q is no duration: want one such as 90s or 2m", d.text)
		}
	}
	key, err = in.check()
	return in, key, err
}

// check names the key that is wrong.
func (in *Injection) check() (key string, err error) {
	switch {
	case !slices.Contains(physics.Faults(), in.Fault):
		return "fault", fmt.Errorf("there is no fault %q: want one of %v", in.Fault, physics.Faults())
	case in.Device != "" && in.Class != "":
		return "device", errors.New("give a class or a device, not both")
	case in.Device == "" && !slices.Contains(physics.Classes(), in.Class):
		return "class", fmt.Errorf("there is no class %q to simulate: want one of %v", in.Class, physics.Classes())
	case in.Class != "" && !in.Fault.Strikes(in.Class):
		return "class", fmt.Errorf("%s cannot strike %s", in.Fault, in.Class)
	case in.Count < 1 || in.Count > MaxCount:
		return "count", fmt.Errorf("want a count from 1 to %d", MaxCount)
	case in.After < 0:
		return "after", errors.New("want a time from the start of the run, such as 8s")
	case in.For <= 0:
		return "for", errors.New("want how long the fault lasts, such as 30s")
	case in.Every != 0 && in.Every <= in.For:
		return "every", errors.New("want more than the fault lasts, so that it ends before it begins again")
	}
	return "", nil
}

// located puts the place of a YAML error in front of its message.
func located(name string, err error) error {
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil {
		p := at.GetToken().Position
		return fmt.Errorf("%s:%d:%d: %s", name, p.Line, p.Column, at.GetMessage())
	}
	return fmt.Errorf("%s: %w", name, err)
}

// position gives line:column of a key of the fault with that index, or of the
// fault itself if it has no such key.
func position(file *ast.File, index int, key string) string {
	for _, path := range []string{fmt.Sprintf("$.faults[%d].%s", index, key), fmt.Sprintf("$.faults[%d]", index)} {
		p, err := yaml.PathString(path)
		if err != nil {
			continue
		}
		if node, err := p.FilterFile(file); err == nil {
			at := node.GetToken().Position
			return fmt.Sprintf("%d:%d", at.Line, at.Column)
		}
	}
	return "1:1"
}
