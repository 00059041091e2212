package udt

import (
	"net/netip"

	"github.com/udtgo/udtgo/udt/internal/udpio"
)

// SetInitialNumber makes connections of c start at sequence number n, where the
// side that dials chooses it.
func SetInitialNumber(c *Config, n uint32) { c.initialNumber = &n }

// DrawNumbers returns n socket IDs and initial sequence numbers as e draws them for
// connections.
func DrawNumbers(e *Endpoint, n int) (ids, numbers []uint32) {
	for range n {
		d, err := e.draft(&Config{CongestionControl: NewNative}, netip.AddrPort{}, netip.AddrPort{}, false)
		if err != nil {
			panic(err)
		}
		ids, numbers = append(ids, d.core.LocalID), append(numbers, d.core.InitialNumber)
	}
	return ids, numbers
}

// ReportRefusal tells e that the system has got an ICMP message: nothing is
// reachable at addr.
func ReportRefusal(e *Endpoint, addr netip.AddrPort) {
	e.handleRefused(&udpio.RefusedError{Addr: addr})
}
