package rules

import (
	"time"

	"medfleet"
)

// AnyClass in a rule file's `class` makes its rules hold for every class that
// has what they ask for.
const AnyClass medfleet.Class = "any"

// Bounds of a rule file and of a rule.
const (
	maxFileBytes = 1 << 20
	maxRules     = 64 // for one class
	maxCost      = 500
	maxDuration  = 30 * 24 * time.Hour
	maxSummary   = 200 // bytes, filled in
)

// Rule is one rule as its file declares it.
type Rule struct {
	Name       string            // alert: BatteryWearsOut
	Class      medfleet.Class    // one class, or AnyClass
	Expr       string            // condition in CEL that raises
	Clear      string            // condition in CEL that clears; empty: when Expr is false
	Manual     bool              // clear: manual; only a person ends it
	For        time.Duration     // how long Expr must be true, in event time
	Hold       time.Duration     // how long after clearing a return continues the episode
	Priority   medfleet.Priority // urgency of maintenance
	Page       bool              // whether somebody is told, or the board shows it only
	Needs      []string          // metrics and conditions without which it can never be true
	SeenOnWire []string          // where its signals really occur
	Summary    string            // one sentence with {{device}}, {{unit}} and {{metric}}
	Action     string            // what to do about it
	Runbook    string            // file or address that says more
	Place      string            // file:line of the rule
}
