// Package libudtmodel is a receiver that behaves on the wire as that of the C++
// library libudt 4.11 does, on any net.PacketConn and so in virtual time. It
// has that library's faults: timers run after each packet and every 100 ms
// otherwise, a loss is reported once and never again, and data behind a hole
// are not acknowledged.
//
// It takes connections, throws away what it receives, and counts it. It sends
// no data. Its sources are specification and observation, not the library's
// code.
package libudtmodel

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"time"
)

// Constants of the library.
const (
	syncPeriod   = 10 * time.Millisecond
	timerPause   = 100 * time.Millisecond // between timers while nothing arrives
	minExpiry    = 300 * time.Millisecond // of the EXP timer
	maxExpiries  = 16
	deadAfter    = 5 * time.Second
	lightSpacing = 64 // packets
	headerLen    = 16
	handshakeLen = 48

	defaultBuffer     = 8192  // packets
	defaultFlowWindow = 25600 // packets, the option FC
)

// Config configures a [Listener]. The zero Config is the library's default.
type Config struct {
	// Buffer is the size of the receive buffer in packets. Zero is 8192.
	Buffer int

	// FlowWindow bounds the window offered in handshakes, in packets. Zero
	// is 25600. The smaller of it and Buffer is offered.
	FlowWindow int

	// Delivered, if not nil, is told how many bytes of payload a connection
	// gives to its application, which reads at once: what a full
	// acknowledgement covers.
	Delivered func(n int)
}

// A Listener takes connections at one port.
type Listener struct {
	pc     net.PacketConn
	config Config
	start  time.Time
	cookie uint32
	nextID uint32
	conns  map[uint32]*conn // by our socket ID; the reader's
	done   chan struct{}    // closed when the reader has ended
	out    []byte
}

// Listen starts a Listener on pc, which it takes over and closes.
func Listen(pc net.PacketConn, c Config) *Listener {
	if c.Buffer <= 0 {
		c.Buffer = defaultBuffer
	}
	if c.FlowWindow <= 0 {
		c.FlowWindow = defaultFlowWindow
	}
	if c.Delivered == nil {
		c.Delivered = func(int) {}
	}
	l := &Listener{
		pc: pc, config: c, start: time.Now(), cookie: 0x5c0071e5, nextID: 0x2ba1d1e7,
		conns: make(map[uint32]*conn), done: make(chan struct{}),
	}
	go l.read()
	return l
}

// Close closes the PacketConn, without a word to the peers, and waits for the
// reader to end.
func (l *Listener) Close() error {
	err := l.pc.Close()
	<-l.done
	return err
}

// addrPortConn is a PacketConn whose methods need no net.Addr.
type addrPortConn interface {
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
}

// read handles what arrives, and runs timers while nothing does.
func (l *Listener) read() {
	defer close(l.done)
	buf := make([]byte, 65536)
	for {
		n, from, err := l.receive(buf)
		now := time.Since(l.start)
		switch {
		case err == nil:
			l.handle(now, buf[:n], from)
		case errors.Is(err, os.ErrDeadlineExceeded):
			l.idle(now)
		default:
			return
		}
	}
}

func (l *Listener) receive(b []byte) (int, netip.AddrPort, error) {
	if c, ok := l.pc.(addrPortConn); ok {
		return c.ReadFromUDPAddrPort(b)
	}
	n, from, err := l.pc.ReadFrom(b)
	if err != nil {
		return 0, netip.AddrPort{}, err
	}
	return n, from.(*net.UDPAddr).AddrPort(), nil
}

func (l *Listener) send(b []byte, to netip.AddrPort) {
	if c, ok := l.pc.(addrPortConn); ok {
		_, _ = c.WriteToUDPAddrPort(b, to)
		return
	}
	_, _ = l.pc.WriteTo(b, net.UDPAddrFromAddrPort(to))
}

// idle runs the timers that have not run for long enough.
func (l *Listener) idle(now time.Duration) {
	next := now + timerPause
	for id, c := range l.conns {
		if now-c.ran >= timerPause {
			c.timers(now)
		}
		if c.broken {
			delete(l.conns, id)
			continue
		}
		next = min(next, c.ran+timerPause)
	}
	l.wakeAt(next)
}

// wakeAt makes read call idle at t, if there is anything to watch.
func (l *Listener) wakeAt(t time.Duration) {
	deadline := time.Time{}
	if len(l.conns) > 0 {
		deadline = l.start.Add(t)
	}
	_ = l.pc.SetReadDeadline(deadline)
}

// handle routes a datagram by its destination.
func (l *Listener) handle(now time.Duration, b []byte, from netip.AddrPort) {
	if len(b) < headerLen {
		return
	}
	id := word(b, 3)
	if id == 0 {
		l.handshake(now, b, from)
		return
	}
	c := l.conns[id]
	if c == nil || c.addr != from {
		return
	}
	c.handle(now, b)
	if c.broken {
		delete(l.conns, id)
	}
}
