package udt

import (
	"context"
	"net/netip"
	"time"
)

// fallbackDelay is how long the preferred address family has a lead when a name
// has both (RFC 8305, section 5).
const fallbackDelay = 300 * time.Millisecond

// sameFamily keeps the addresses that can be reached from laddr.
func sameFamily(addrs []netip.AddrPort, laddr netip.AddrPort) []netip.AddrPort {
	if !concrete(laddr) {
		return addrs
	}
	var same []netip.AddrPort
	for _, a := range addrs {
		if a.Addr().Is4() == laddr.Addr().Is4() {
			same = append(same, a)
		}
	}
	return same
}

// race tries addrs: those of the first one's family in turn, and after a delay,
// or when they have failed, the others at the same time.
func (d *Dialer) race(ctx context.Context, network string, laddr netip.AddrPort, addrs []netip.AddrPort) (*Conn, error) {
	var primary, fallback []netip.AddrPort
	for _, a := range addrs {
		if a.Addr().Is4() == addrs[0].Addr().Is4() {
			primary = append(primary, a)
		} else {
			fallback = append(fallback, a)
		}
	}
	if len(fallback) == 0 || laddr.Port() != 0 || d.Rendezvous {
		return d.inTurn(ctx, network, laddr, addrs)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		c       *Conn
		err     error
		primary bool
	}
	results, returned := make(chan result), make(chan struct{})
	defer close(returned)
	try := func(addrs []netip.AddrPort, primary bool) {
		c, err := d.inTurn(ctx, network, laddr, addrs)
		select {
		case results <- result{c, err, primary}:
		case <-returned:
			// The other family was faster.
			if c != nil {
				c.Abort()
			}
		}
	}
	go try(primary, true)
	delay := time.NewTimer(fallbackDelay)
	defer delay.Stop()
	running, started := 1, false
	var firstErr error
	for {
		select {
		case <-delay.C:
			if !started {
				started = true
				running++
				go try(fallback, false)
			}
		case r := <-results:
			if r.err == nil {
				return r.c, nil
			}
			running--
			if r.primary || firstErr == nil {
				firstErr = r.err
			}
			if !started {
				started = true
				running++
				go try(fallback, false)
			}
			if running == 0 {
				return nil, firstErr
			}
		}
	}
}

// inTurn tries addrs one after another, each with a fair share of the time left.
func (d *Dialer) inTurn(ctx context.Context, network string, laddr netip.AddrPort, addrs []netip.AddrPort) (*Conn, error) {
	var firstErr error
	for i, a := range addrs {
		attempt, cancel := ctx, context.CancelFunc(func() {})
		if deadline, ok := ctx.Deadline(); ok && len(addrs)-i > 1 {
			share := max(time.Until(deadline)/time.Duration(len(addrs)-i), 2*time.Second)
			attempt, cancel = context.WithTimeout(ctx, share)
		}
		c, err := d.dialAddr(attempt, network, laddr, a)
		cancel()
		if err == nil {
			return c, nil
		}
		if firstErr == nil {
			firstErr = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, firstErr
}
