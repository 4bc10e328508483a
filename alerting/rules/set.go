package rules

import (
	"embed"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"medfleet"
	"medfleet/profiles"
)

//go:embed packs/*.yaml
var packs embed.FS

// Set is the rules of every class, compiled.
type Set struct {
	rules   []*Rule
	classes map[medfleet.Class]*class
}

// Rules lists the rules in the order of their files. A rule for any class is
// listed once.
func (s *Set) Rules() []*Rule { return s.rules }

// Has reports whether a class has a rule of that name.
func (s *Set) Has(c medfleet.Class, rule string) bool {
	cl := s.classes[c]
	return cl != nil && cl.find(rule) >= 0
}

func (c *class) find(rule string) int {
	return slices.IndexFunc(c.rules, func(r *compiled) bool { return r.Name == rule })
}

// Load reads and compiles rule files; without any, the built-in pack. It fails
// with everything that is wrong in all of them: Problems unpacks it.
func Load(files []string, set *profiles.Set) (*Set, error) {
	if len(files) == 0 {
		return loadPack(set)
	}
	l := newLoader(set)
	for _, name := range files {
		text, err := readFile(name)
		if err != nil {
			l.problems = append(l.problems, Problem{File: name, Message: err.Error()})
			continue
		}
		l.parse(name, text)
	}
	return l.finish()
}

func loadPack(set *profiles.Set) (*Set, error) {
	l := newLoader(set)
	names, err := fs.Glob(packs, "packs/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("read built-in rules: %w", err)
	}
	for _, name := range names {
		text, err := packs.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read built-in rules: %w", err)
		}
		l.parse("built-in/"+strings.TrimPrefix(name, "packs/"), text)
	}
	return l.finish()
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open rule file: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read rule file: %w", err)
	}
	if len(text) > maxFileBytes {
		return nil, fmt.Errorf("read rule file: it is longer than %d bytes: split it", maxFileBytes)
	}
	return text, nil
}

// Parse compiles one rule file from memory, as Load does.
func Parse(name string, text []byte, set *profiles.Set) (*Set, error) {
	l := newLoader(set)
	l.parse(name, text)
	return l.finish()
}

type loader struct {
	profiles *profiles.Set
	problems problemList
	drafts   []*draft
	set      *Set
}

func newLoader(set *profiles.Set) *loader {
	return &loader{profiles: set, set: &Set{classes: map[medfleet.Class]*class{}}}
}

func (l *loader) parse(name string, text []byte) {
	src := &source{name: name, lines: strings.Split(string(text), "\n"), problems: &l.problems}
	l.drafts = append(l.drafts, read(src, text)...)
}

func (l *loader) finish() (*Set, error) {
	compilers := make([]*compiler, 0, len(l.profiles.Classes()))
	for i, p := range slices.Concat(l.profiles.Classes(), l.profiles.Owned()) {
		k := newCompiler(newClass(p, i >= len(l.profiles.Classes())), l.profiles)
		compilers = append(compilers, k)
		l.set.classes[p.Class] = k.class
	}
	for _, d := range l.drafts {
		l.rule(d, compilers)
	}
	if len(l.problems) > 0 {
		return nil, fmt.Errorf("load rules:\n%w", l.problems.sorted())
	}
	return l.set, nil
}

// rule compiles one draft for its class, or for each class that it can hold for.
func (l *loader) rule(d *draft, compilers []*compiler) {
	r := l.plain(d)
	if !d.class.set {
		return
	}
	l.set.rules = append(l.set.rules, r)
	if r.Class != AnyClass {
		l.oneClass(d, r, compilers)
		return
	}
	devices := slices.DeleteFunc(slices.Clone(compilers), func(k *compiler) bool { return k.class.own })
	fits := slices.DeleteFunc(slices.Clone(devices), func(k *compiler) bool { return !l.fits(k, d) })
	if len(fits) == 0 { // let every class say what it lacks
		fits = devices
	}
	for _, k := range fits {
		l.compile(k, d, r)
	}
}

func (l *loader) oneClass(d *draft, r *Rule, compilers []*compiler) {
	i := slices.IndexFunc(compilers, func(k *compiler) bool { return k.class.name == r.Class })
	if i < 0 {
		known := []string{string(AnyClass)}
		for _, k := range compilers {
			known = append(known, string(k.class.name))
		}
		d.class.wrong("unknown class %q%s", r.Class, didYouMean(string(r.Class), known))
		return
	}
	l.compile(compilers[i], d, r)
}

// fits reports whether a class has every metric that a rule for any class names
// and that some class has. A name that no class has is a mistake, not a lack.
func (l *loader) fits(k *compiler, d *draft) bool {
	names := placeholders(d.summary.text)
	for _, f := range []field{d.expr, d.clear} {
		if f.text == "" || f.text == manual || k.prepare() != nil {
			continue
		}
		if parsed, issues := k.env.Parse(f.text); issues.Err() == nil {
			names = append(names, identifiers(parsed)...)
		}
	}
	for _, n := range d.needs {
		names = append(names, n.text)
	}
	return !slices.ContainsFunc(names, func(n string) bool {
		_, has := k.class.profile.Metric(n)
		return !has && l.someClassHas(n)
	})
}

func placeholders(text string) []string {
	var names []string
	for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	return names
}

func (l *loader) someClassHas(metric string) bool {
	return slices.ContainsFunc(l.profiles.Classes(), func(p *profiles.Profile) bool {
		_, ok := p.Metric(metric)
		return ok
	})
}

const manual = "manual"

var (
	ruleName    = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{0,63}$`)
	placeholder = regexp.MustCompile(`\{\{\s*([a-z0-9_]+)\s*\}\}`)
)

// plain reads the values that mean the same for every class.
func (l *loader) plain(d *draft) *Rule {
	r := &Rule{
		Name: d.alert.text, Class: medfleet.Class(d.class.text), Expr: d.expr.text, Clear: d.clear.text,
		Priority: medfleet.Priority(d.priority.text), Page: d.page.text == "true",
		Summary: d.summary.text, Action: d.action.text, Runbook: d.runbook.text,
		Place: fmt.Sprintf("%s:%d", d.src.name, d.at.line),
	}
	for key, f := range map[string]*field{"alert": &d.alert, "expr": &d.expr, "priority": &d.priority, "summary": &d.summary} {
		if f.text == "" {
			d.src.wrong(d.at, "%s is missing", key)
		}
	}
	if r.Clear == manual {
		r.Clear, r.Manual = "", true
	}
	r.For, r.Hold = span(&d.forTime), span(&d.hold)
	for _, f := range d.needs {
		r.Needs = append(r.Needs, f.text)
	}
	for _, f := range d.seenOnWire {
		r.SeenOnWire = append(r.SeenOnWire, f.text)
	}
	if d.alert.text != "" && !ruleName.MatchString(r.Name) {
		d.alert.wrong("alert %q: want a name of letters and digits that begins with a capital, such as BatteryWearsOut", r.Name)
	}
	if d.priority.text != "" && r.Priority.Rank() > medfleet.Round.Rank() {
		d.priority.wrong("priority %q: want now, today or round", r.Priority)
	}
	if d.page.set && d.page.text != "true" && d.page.text != "false" {
		d.page.wrong("page %q: want true or false", d.page.text)
	}
	return r
}

func span(f *field) time.Duration {
	if !f.set {
		return 0
	}
	d, err := duration(f.text)
	if err != nil {
		f.wrong("%v", err)
	}
	return d
}

func (l *loader) compile(k *compiler, d *draft, r *Rule) {
	number := len(k.class.rules)
	if number == maxRules {
		d.src.wrong(d.at, "class %s has more than %d rules", k.class.name, maxRules)
		return
	}
	if i := k.class.find(r.Name); i >= 0 && r.Name != "" {
		d.alert.wrong("class %s has a rule %s already, at %s", k.class.name, r.Name, k.class.rules[i].Place)
		return
	}
	c := &compiled{Rule: r, forMS: r.For.Milliseconds(), holdMS: r.Hold.Milliseconds()}
	if d.expr.text != "" {
		c.expr = k.program(&d.expr, number)
	}
	if r.Clear != "" {
		c.clear = k.program(&d.clear, number)
	}
	c.summary = k.parseSummary(&d.summary)
	k.needs(d)
	k.class.rules = append(k.class.rules, c)
}

// needs checks that what a rule needs exists at all.
func (k *compiler) needs(d *draft) {
	for _, f := range d.needs {
		if _, ok := k.class.profile.Metric(f.text); ok || slices.Contains(k.conditions, f.text) {
			continue
		}
		f.wrong("class %s has no metric and there is no condition %q%s", k.class.name, f.text, didYouMean(f.text, slices.Concat(k.known, k.conditions)))
	}
}
