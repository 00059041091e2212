//go:build race

package wan_test

// Under the race detector a run takes ten times as long, and its figures are
// the same.
func init() { raceEnabled = true }
