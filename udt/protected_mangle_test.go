package udt_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"

	"github.com/udtgo/udtgo/nettest/simnet"
)

// A mangler is a socket on a path where somebody who has no keys meddles: some of
// what is sent or received goes to the peer again, late, shortened or lengthened.
type mangler struct {
	*simnet.Conn

	mu   sync.Mutex
	rng  *rand.Rand
	seen [128][]byte // what was sent lately, and what was received
	n    int
}

func newMangler(c *simnet.Conn, seed uint64) *mangler {
	return &mangler{Conn: c, rng: rand.New(rand.NewPCG(seed, 0x3a9))}
}

// keep remembers b in place of something else.
func (m *mangler) keep(b []byte) {
	at := m.n
	if m.n++; at >= len(m.seen) {
		at = m.rng.IntN(len(m.seen)) // some very old ones stay
	}
	m.seen[at] = slices.Clone(b)
}

func (m *mangler) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	for _, p := range m.mangle(b) {
		m.Conn.WriteToUDPAddrPort(p, to)
	}
	return len(b), nil
}

// mangle returns what is sent in place of b.
func (m *mangler) mangle(b []byte) [][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keep(b)
	sent := [][]byte{b}
	switch m.rng.IntN(40) {
	case 0:
		sent[0] = b[:m.rng.IntN(len(b))]
	case 1:
		sent = append(sent, b[:m.rng.IntN(len(b))])
	case 2:
		sent = append(sent, append(slices.Clone(b), make([]byte, 1+m.rng.IntN(40))...))
	case 3, 4:
		sent = append(sent, m.seen[m.rng.IntN(min(m.n, len(m.seen)))])
	case 5:
		sent = append([][]byte{m.seen[m.rng.IntN(min(m.n, len(m.seen)))]}, b)
	}
	return sent
}

func (m *mangler) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	n, from, err := m.Conn.ReadFromUDPAddrPort(b)
	if err == nil {
		m.mu.Lock()
		if m.rng.IntN(8) == 0 {
			m.keep(b[:n]) // to go back where it came from
		}
		m.mu.Unlock()
	}
	return n, from, err
}
