package profiles

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Fault is what a maker's own error code stands for. Model is a pattern of *
// and ?; so may Code be. A code that is written without knowing the model
// names the coding system it belongs to, MDIL-ALERT:5, or is one of the
// nomenclature as events carry it: 196802^MDC_EVT_BATT_LO. Upper and lower case
// are alike, and a blank is an underscore. Check is the first thing a
// technician looks at; Source says where the maker writes all this.
type Fault struct {
	Maker     string `yaml:"maker,omitempty"`
	Model     string `yaml:"model,omitempty"`
	Code      string `yaml:"code"`
	Condition string `yaml:"condition"`
	Meaning   string `yaml:"meaning"`
	Check     string `yaml:"check"`
	Source    string `yaml:"source,omitempty"`
}

// faultsFile is one file of faults. Maker, Model and Source stand for entries
// that do not say their own; with Models each such entry is one of every model.
type faultsFile struct {
	Maker  string   `yaml:"maker,omitempty"`
	Model  string   `yaml:"model,omitempty"`
	Models []string `yaml:"models,omitempty"`
	Source string   `yaml:"source,omitempty"`
	Faults []Fault  `yaml:"faults"`
}

// maxCode is the longest code in bytes that is looked up.
const maxCode = 96

// faultTable finds faults: exact codes by a map, patterns by trying them all.
// Both lists go from the most specific to the most general.
type faultTable struct {
	exact    map[string][]*Fault
	patterns []*Fault
}

// Fault finds what a code of a maker's own means on a model. An exact code
// beats a pattern, and a specific model a general one. Nothing is allocated.
func (s *Set) Fault(model, code string) (*Fault, bool) { return findFault(&s.faults, model, code) }

// FaultBytes is Fault for a code that is still in a message.
func (s *Set) FaultBytes(model string, code []byte) (*Fault, bool) {
	return findFault(&s.faults, model, code)
}

// Faults lists all faults by maker, model and code.
func (s *Set) Faults() []*Fault { return s.allFaults }

func findFault[T string | []byte](t *faultTable, model string, code T) (*Fault, bool) {
	var room [maxCode]byte
	if len(code) == 0 || len(code) > len(room) {
		return nil, false
	}
	for i := range len(code) {
		room[i] = foldCode(code[i])
	}
	folded := room[:len(code)]
	for _, f := range t.exact[string(folded)] {
		if Glob(f.Model, model) {
			return f, true
		}
	}
	for _, f := range t.patterns {
		if Glob(f.Code, folded) && Glob(f.Model, model) {
			return f, true
		}
	}
	return nil, false
}

// foldCode makes spellings of one code alike.
func foldCode(c byte) byte {
	if c == ' ' {
		return '_'
	}
	return lower(c)
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 0x20
	}
	return c
}

// Glob matches text with a pattern of * and ?, upper and lower case alike. It
// needs no memory and at most len(pattern) × len(text) steps.
func Glob[T string | []byte](pattern string, text T) bool {
	p, t, star, from := 0, 0, -1, 0
	for t < len(text) {
		have, size := letterAt(text, t)
		want, width := letterAt(pattern, p)
		switch {
		case want == '*':
			star, from, p = p, t, p+1
		case want == '?' || want == have:
			p, t = p+width, t+size
		case star >= 0:
			_, size = letterAt(text, from)
			from += size
			p, t = star+1, from
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// letterAt gives the letter at i in lower case and its length in bytes; at the end
// one that no text has.
func letterAt[T string | []byte](text T, i int) (rune, int) {
	if i == len(text) {
		return -1, 0
	}
	if c := text[i]; c < utf8.RuneSelf {
		return rune(lower(c)), 1
	}
	r, size := utf8.DecodeRuneInString(string(text[i:min(i+utf8.UTFMax, len(text))]))
	return unicode.ToLower(r), size
}

func isPattern(s string) bool { return strings.ContainsAny(s, "*?") }

// literals is how specific a pattern is.
func literals(s string) int { return len(s) - strings.Count(s, "*") - strings.Count(s, "?") }

// faultFile takes in one file of faults: a later place's entry replaces an
// earlier one's for the same model and code.
func (b *builder) faultFile(file faultsFile, name, place string) error {
	if file.Model != "" && len(file.Models) > 0 {
		return errors.New("model and models: give one of them")
	}
	var errs []error
	if b.faults == nil {
		b.faults = map[string]*placedFault{}
	}
	for i := range file.Faults {
		for _, f := range file.each(i) {
			key := strings.ToLower(f.Model + "\x00" + f.Code)
			if old := b.faults[key]; old != nil && path.Dir(old.place) == path.Dir(place) {
				errs = append(errs, fmt.Errorf("faults[%d] %q: model %q has this code already in %s", i, f.Code, f.Model, old.place))
				continue
			}
			b.faults[key] = &placedFault{Fault: f, at: fmt.Sprintf("%s: faults[%d] %q", name, i, f.Code), place: place}
		}
	}
	return errors.Join(errs...)
}

// each gives an entry once for every model it stands for.
func (file *faultsFile) each(i int) (list []*Fault) {
	models := file.Models
	if own := cmp.Or(file.Faults[i].Model, file.Model); own != "" || len(models) == 0 {
		models = []string{own}
	}
	for _, model := range models {
		f := file.Faults[i]
		f.Maker, f.Model, f.Source = cmp.Or(f.Maker, file.Maker), model, cmp.Or(f.Source, file.Source)
		list = append(list, &f)
	}
	return list
}

// placedFault is a fault and where it was read.
type placedFault struct {
	*Fault
	at    string
	place string
}

// buildFaults checks all faults and makes their table.
func (b *builder) buildFaults(s *Set) error {
	var errs []error
	s.faults.exact = map[string][]*Fault{}
	for _, f := range b.faults {
		if err := f.check(s); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", f.at, err))
			continue
		}
		s.allFaults = append(s.allFaults, f.Fault)
	}
	slices.SortFunc(errs, func(x, y error) int { return cmp.Compare(x.Error(), y.Error()) })
	slices.SortFunc(s.allFaults, func(x, y *Fault) int {
		return cmp.Or(cmp.Compare(x.Maker, y.Maker), cmp.Compare(x.Model, y.Model), cmp.Compare(x.Code, y.Code))
	})
	for _, f := range slices.SortedStableFunc(slices.Values(s.allFaults), specificFirst) {
		if isPattern(f.Code) {
			s.faults.patterns = append(s.faults.patterns, f)
			continue
		}
		s.faults.exact[strings.ToLower(f.Code)] = append(s.faults.exact[strings.ToLower(f.Code)], f)
	}
	return errors.Join(errs...)
}

func specificFirst(x, y *Fault) int {
	return cmp.Or(cmp.Compare(literals(y.Model), literals(x.Model)), cmp.Compare(literals(y.Code), literals(x.Code)))
}

// Bounds of a fault's texts: they stand on pages and on the board.
const (
	maxMeaning = 100
	maxCheck   = 200
)

func (f *Fault) check(s *Set) error {
	_, known := s.Condition(f.Condition)
	switch {
	case f.Code == "" || len(f.Code) > maxCode || !everyByte(f.Code, codeByte):
		return fmt.Errorf("code: want up to %d letters, digits and . _ - : / ^ # ( ) + with * and ? as wildcards; a blank is written _", maxCode)
	case f.Maker == "" || f.Source == "":
		return errors.New("maker and source: both are needed: what a code means is only as good as where it is written")
	case f.Model == "":
		return errors.New(`model: it is missing: give a pattern such as "Perfusor*"`)
	case literals(f.Model) == 0 && !strings.ContainsAny(f.Code, ":^"):
		return fmt.Errorf("model %q fits every device: name the model, or write the code with its coding system, such as MDIL-ALERT:5", f.Model)
	case literals(f.Code) == 0:
		return fmt.Errorf("code %q fits every code: give at least one character of it", f.Code)
	case !known:
		return fmt.Errorf("condition %q: there is none in conditions.yaml", f.Condition)
	case f.Meaning == "" || len(f.Meaning) > maxMeaning || !everyByte(f.Meaning, printable):
		return fmt.Errorf("meaning: want 1 to %d printable characters", maxMeaning)
	case f.Check == "" || len(f.Check) > maxCheck || !everyByte(f.Check, printable):
		return fmt.Errorf("check: want 1 to %d printable characters", maxCheck)
	}
	return nil
}

func everyByte(s string, is func(byte) bool) bool {
	for i := range len(s) {
		if !is(s[i]) {
			return false
		}
	}
	return true
}

func printable(c byte) bool { return c >= ' ' && c < 0x7f }

func codeByte(c byte) bool {
	return c >= '0' && c <= '9' || lower(c) >= 'a' && lower(c) <= 'z' || strings.IndexByte("._-:/^#()+*?", c) >= 0
}
