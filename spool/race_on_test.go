//go:build race

package spool_test

// stride thins the exhaustive tests where each step is ten times slower; the
// run without the race detector takes every byte.
const stride = 101
