//go:build linux

package link

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
)

var addresses = [...]netip.Addr{A: netip.AddrFrom4([4]byte{10, 77, 0, 1}), B: netip.AddrFrom4([4]byte{10, 77, 0, 2})}

// A Link is a path between two network namespaces. Its methods may be called
// concurrently. Until it is closed it keeps one of GOMAXPROCS to itself.
type Link struct {
	spaces [2]*namespace
	pump   *pump
	stop   *event
	done   sync.WaitGroup
	once   sync.Once
	err    error
}

// New makes the namespaces and starts to carry packets. It also removes what
// processes that were killed left behind. Call Close in the end, also after a
// signal; what a killed process leaves costs nothing but two names in
// /run/netns.
func New(c Config) (*Link, error) {
	if err := removeLeftovers(); err != nil {
		return nil, err
	}
	l := &Link{}
	if err := l.start(c); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Link) start(c Config) (err error) {
	if l.stop, err = newEvent(); err != nil {
		return err
	}
	id := nextID()
	for side := range l.spaces {
		name := fmt.Sprintf("%s%s-%c", prefix, id, 'a'+side)
		if l.spaces[side], err = newNamespace(name, addresses[side]); err != nil {
			return err
		}
	}
	if runtime.GOMAXPROCS(0) == 1 {
		runtime.GOMAXPROCS(2) // one for the pump
	}
	l.pump = newPump(c, l.spaces[A].tun, l.spaces[B].tun, l.stop)
	l.done.Go(l.pump.run)
	return nil
}

// Close stops the link and removes the namespaces. Processes that still run in
// them keep theirs until they end, with a dead device in it.
func (l *Link) Close() error {
	l.once.Do(func() {
		var all []error
		if l.stop != nil {
			all = append(all, l.stop.set())
			l.done.Wait()
			all = append(all, l.stop.close())
		}
		for _, s := range l.spaces {
			if s != nil {
				all = append(all, s.close())
			}
		}
		if l.pump != nil {
			all = append(all, l.pump.err)
		}
		l.err = errors.Join(all...)
	})
	return l.err
}

// Addr returns the address of one side.
func (l *Link) Addr(s Side) netip.Addr { return addresses[s] }

// Command returns what to put before the arguments of a command that is to run
// on that side.
func (l *Link) Command(s Side) []string { return []string{"ip", "netns", "exec", l.spaces[s].name} }

// Do calls f on a thread that is in the namespace of one side. Sockets made by
// f stay there; goroutines it starts do not.
func (l *Link) Do(s Side, f func() error) error { return l.spaces[s].do(f) }

// Stats returns what happened since the beginning or the last Reset.
func (l *Link) Stats() (forward, reverse Stats) { return l.pump.stats(A), l.pump.stats(B) }

// Reset makes Stats begin anew. Packets stay where they are.
func (l *Link) Reset() { l.pump.reset() }
