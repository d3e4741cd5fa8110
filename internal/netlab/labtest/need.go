// Package labtest is for tests that need privileges or programs.
package labtest

import (
	"os"
	"testing"
)

// Need skips the test when a condition does not hold, naming what is missing.
// With CI=true in the environment a test that would skip fails instead, so that
// nothing stays untested unseen.
func Need(t testing.TB, holds bool, what string) {
	t.Helper()
	switch {
	case holds:
	case os.Getenv("CI") == "true":
		t.Fatalf("needs %s, and CI=true forbids to skip", what)
	default:
		t.Skipf("needs %s", what)
	}
}
