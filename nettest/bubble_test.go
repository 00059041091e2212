package nettest_test

import (
	"net"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest"
)

// net.Pipe keeps every promise of net.Conn and works in a bubble, so each check has to hold for it.
func TestConnChecksPipe(t *testing.T) {
	checks := nettest.ConnChecks()
	require.Len(t, checks, 11)
	for _, check := range checks {
		t.Run(check.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c1, c2 := net.Pipe()
				check.Run(t, c1, c2)
			})
		})
	}
}
