package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong in a rule file. Line and Column count from
// 1, the column in bytes.
type Problem struct {
	File    string
	Line    int
	Column  int
	Message string
	Source  string // the line as it stands in the file
}

// Error gives file:line:column, what is wrong, the line and a caret under the
// place.
func (p Problem) Error() string {
	if p.Line == 0 {
		return fmt.Sprintf("%s: %s", p.File, p.Message)
	}
	head := fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
	if p.Source == "" {
		return head
	}
	return head + "\n  " + strings.ReplaceAll(p.Source, "\t", " ") + "\n  " + strings.Repeat(" ", max(0, p.Column-1)) + "^"
}

// Problems unpacks the error of Load: everything that is wrong, in the order of
// the files and lines. It gives nil for another error.
func Problems(err error) []Problem {
	var list problemList
	if errors.As(err, &list) {
		return list
	}
	return nil
}

type problemList []Problem

func (l problemList) Error() string {
	lines := make([]string, len(l))
	for i, p := range l {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// sorted orders by place and leaves out repeats: a rule for any class meets the
// same mistake once for each class.
func (l problemList) sorted() problemList {
	l = slices.Clone(l)
	slices.SortStableFunc(l, func(a, b Problem) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return slices.Compact(l)
}
