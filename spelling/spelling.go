// Package spelling finds the word that was meant by a word that nobody knows.
package spelling

import (
	"fmt"
	"slices"
	"strings"
)

// Nearest gives the one of known that most letters of word fit, empty when none
// fits well.
func Nearest(word string, known []string) string {
	best, most := "", 0.5
	for _, name := range slices.Sorted(slices.Values(known)) {
		if l := likeness(word, name); l > most {
			best, most = name, l
		}
	}
	return best
}

// Hint asks whether the nearest of known was meant, or tells which there are. It
// begins with a semicolon, for the end of an error.
func Hint(word string, known []string) string {
	if best := Nearest(word, known); best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return "; there are " + strings.Join(slices.Sorted(slices.Values(known)), ", ")
}

// likeness is the share of neighbouring pairs of letters that two words have in
// common (Dice's coefficient), ends counted as letters.
func likeness(a, b string) float64 {
	pairs := map[string]int{}
	a, b = "^"+a+"$", "^"+b+"$"
	for i := range len(a) - 1 {
		pairs[a[i:i+2]]++
	}
	common := 0
	for i := range len(b) - 1 {
		if pairs[b[i:i+2]] > 0 {
			pairs[b[i:i+2]]--
			common++
		}
	}
	return 2 * float64(common) / float64(len(a)+len(b)-2)
}
