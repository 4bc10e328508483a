package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"

	"medfleet"
	"medfleet/profiles"
)

// compiled is a rule made ready for one class.
type compiled struct {
	*Rule
	expr    cel.Program
	clear   cel.Program // nil: clears when expr is false, unless Manual
	summary summary
	forMS   int64
	holdMS  int64
}

// compiler turns the conditions of one class's rules into programs.
type compiler struct {
	class      *class
	conditions []string
	env        *cel.Env // made when it is first needed
	known      []string // every name a condition may use
	profiles   *profiles.Set
}

func newCompiler(c *class, set *profiles.Set) *compiler {
	k := &compiler{class: c, profiles: set}
	if !c.own {
		k.known = []string{"active", "count", "device_state", "in_service", "state"}
	}
	for _, m := range c.profile.Metrics {
		if m.Kind != profiles.Enum {
			k.known = append(k.known, m.Name)
		}
	}
	for _, cond := range set.Conditions() {
		if c.own {
			break // no device, no condition of one
		}
		k.conditions = append(k.conditions, cond.Name)
	}
	return k
}

// prepare makes the environment in which the class's conditions are compiled.
func (k *compiler) prepare() error {
	if k.env != nil {
		return nil
	}
	options := []cel.EnvOption{
		cel.StdLib(),
		cel.CrossTypeNumericComparisons(true),
	}
	if !k.class.own {
		options = append(options, cel.Macros(k.activeMacro(), k.countMacro()), cel.Variable("state", cel.StringType),
			cel.Variable("device_state", cel.StringType), cel.Variable("in_service", cel.BoolType))
	}
	for _, m := range k.class.profile.Metrics {
		switch m.Kind {
		case profiles.Flag:
			options = append(options, cel.Variable(m.Name, cel.BoolType))
		case profiles.Gauge, profiles.Counter:
			options = append(options, cel.Variable(m.Name, cel.DoubleType))
		}
	}
	for _, name := range k.conditions {
		options = append(options, cel.Variable(activePrefix+name, cel.BoolType))
	}
	env, err := cel.NewCustomEnv(options...)
	if err != nil {
		return fmt.Errorf("prepare rules of class %s: %w", k.class.name, err)
	}
	k.env = env
	return nil
}

// What the macros leave behind are variables with names that nobody can type.
const (
	activePrefix = "@active "
	countPrefix  = "@count "
)

// activeMacro makes active("condition") a flag.
func (k *compiler) activeMacro() cel.Macro {
	return cel.GlobalMacro("active", 1, func(h cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *common.Error) {
		name, problem := k.condition(h, args[0])
		if problem != nil {
			return nil, problem
		}
		return h.NewIdent(activePrefix + name), nil
	})
}

// countMacro makes count("condition", "1h") a number.
func (k *compiler) countMacro() cel.Macro {
	return cel.GlobalMacro("count", 2, func(h cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *common.Error) {
		name, problem := k.condition(h, args[0])
		if problem != nil {
			return nil, problem
		}
		text, ok := literal(args[1])
		d, err := duration(text)
		if !ok || err != nil || d < time.Minute {
			return nil, h.NewError(args[1].ID(), `want a window in quotes from "1m" to "30d"`)
		}
		return h.NewIdent(countPrefix + d.String() + " " + name), nil
	})
}

func (k *compiler) condition(h cel.MacroExprFactory, arg ast.Expr) (string, *common.Error) {
	name, ok := literal(arg)
	if !ok {
		return "", h.NewError(arg.ID(), `want a condition in quotes, such as "battery_low"`)
	}
	if !slices.Contains(k.conditions, name) {
		return "", h.NewError(arg.ID(), fmt.Sprintf("unknown condition %q%s", name, didYouMean(name, k.conditions)))
	}
	return name, nil
}

func literal(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().(types.String)
	return string(s), ok
}

// program compiles one condition and notes which inputs it reads for the rule
// with the given number. What is wrong with it goes to the field's file.
func (k *compiler) program(f *field, rule int) cel.Program {
	if err := k.prepare(); err != nil {
		f.wrong("%v", err)
		return nil
	}
	parsed, issues := k.env.Parse(f.text)
	if issues.Err() != nil {
		k.report(f, nil, issues)
		return nil
	}
	env, err := k.withCounts(parsed)
	if err != nil {
		f.wrong("%v", err)
		return nil
	}
	checked, issues := env.Check(parsed)
	if issues.Err() != nil {
		k.report(f, parsed, issues)
		return nil
	}
	if checked.OutputType() != cel.BoolType {
		f.wrong("the condition gives %s: want true or false, such as battery_charge < 20", checked.OutputType())
		return nil
	}
	if c, err := env.EstimateCost(checked, sizes{}); err != nil || c.Max > maxCost {
		f.wrong("the condition may cost %d steps: at most %d are allowed; make it shorter or split the rule", c.Max, maxCost)
		return nil
	}
	p, err := env.Program(checked, cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		f.wrong("%v", err)
		return nil
	}
	for _, name := range identifiers(parsed) {
		k.class.asks[k.input(name)] |= 1 << rule
	}
	return p
}

// withCounts declares the counts that a condition asks for.
func (k *compiler) withCounts(parsed *cel.Ast) (*cel.Env, error) {
	var options []cel.EnvOption
	for _, name := range identifiers(parsed) {
		if strings.HasPrefix(name, countPrefix) {
			options = append(options, cel.Variable(name, cel.IntType))
		}
	}
	if options == nil {
		return k.env, nil
	}
	return k.env.Extend(options...)
}

// input gives the index of what a name in a condition or summary stands for.
func (k *compiler) input(name string) int {
	in := input{name: name, arg: name}
	switch {
	case strings.HasPrefix(name, activePrefix):
		in.kind, in.arg = activeInput, name[len(activePrefix):]
	case strings.HasPrefix(name, countPrefix):
		window, condition, _ := strings.Cut(name[len(countPrefix):], " ")
		d, _ := time.ParseDuration(window)
		in.kind, in.arg, in.ring = countInput, condition, k.class.window(condition, d)
	case name == "device_state":
		in.kind = deviceState
	case name == "in_service":
		in.kind = inServiceInput
	case name == "state":
		in.kind = stateInput
	default:
		if m, ok := k.class.profile.Metric(name); ok && m.Kind == profiles.Flag {
			in.kind = flagInput
		}
	}
	return k.class.use(in)
}

// report moves CEL's complaints to their places in the file.
func (k *compiler) report(f *field, parsed *cel.Ast, issues *cel.Issues) {
	for _, e := range issues.Errors() {
		f.src.wrong(f.within(e.Location.Line(), e.Location.Column()), "%s", k.plain(parsed, e))
	}
}

// plain says in the rule writer's words what CEL found.
func (k *compiler) plain(parsed *cel.Ast, e *common.Error) string {
	message, _, _ := strings.Cut(e.Message, " (did you mean")
	switch {
	case strings.HasPrefix(message, "want "), strings.HasPrefix(message, "unknown condition"):
		return message // the macros' own
	case strings.HasPrefix(message, "undeclared reference to "):
		name := strings.Trim(strings.Fields(strings.TrimPrefix(message, "undeclared reference to "))[0], "'")
		if parsed != nil && isCall(parsed, e.ExprID) {
			return fmt.Sprintf("there is no function %q%s", name, didYouMean(name, []string{"active", "count"}))
		}
		return k.noMetric(name)
	case strings.Contains(message, "(double, int)"), strings.Contains(message, "(int, double)"):
		return message + ": write the number with a decimal point, such as 80.0"
	}
	message, _, _ = strings.Cut(strings.TrimPrefix(message, "Syntax error: "), " expecting {")
	return "cannot read the condition: " + message
}

// noMetric says that a name is unknown: to this class, or to every one.
func (k *compiler) noMetric(name string) string {
	all := slices.Clone(k.known)
	for _, p := range k.profiles.Classes() {
		if _, ok := p.Metric(name); ok {
			return fmt.Sprintf("class %s has no metric %q%s", k.class.name, name, didYouMean(name, k.known))
		}
		for _, m := range p.Metrics {
			all = append(all, m.Name)
		}
	}
	return fmt.Sprintf("there is no metric %q%s", name, didYouMean(name, all))
}

func isCall(parsed *cel.Ast, id int64) bool {
	found := false
	ast.PreOrderVisit(parsed.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		found = found || e.ID() == id && e.Kind() == ast.CallKind
	}))
	return found
}

// identifiers lists the variables of a condition, each once.
func identifiers(parsed *cel.Ast) []string {
	var names []string
	ast.PreOrderVisit(parsed.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.IdentKind && !slices.Contains(names, e.AsIdent()) {
			names = append(names, e.AsIdent())
		}
	}))
	return names
}

// sizes bounds the only values that have a size: names of states.
type sizes struct{}

func (sizes) EstimateSize(cost.AstNode) *cost.SizeEstimate {
	s := cost.RangedSizeEstimate(0, medfleet.MaxDeviceID)
	return &s
}

func (sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}
