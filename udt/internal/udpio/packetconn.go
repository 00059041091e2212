package udpio

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
)

// addrPortReader and addrPortWriter are the methods of *net.UDPConn that need no
// net.Addr and therefore no allocation.
type addrPortReader interface {
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
}

type addrPortWriter interface {
	WriteToUDPAddrPort(b []byte, addr netip.AddrPort) (int, error)
}

// A packetSocket is any net.PacketConn, one datagram per call. All waiting is done
// inside its methods, so it works in a synctest bubble if they do.
type packetSocket struct {
	pc     net.PacketConn
	reader addrPortReader // nil if pc has no such method
	writer addrPortWriter // nil if pc has no such method
	local  netip.AddrPort

	closed    atomic.Bool
	transient atomic.Uint64
	backoff   backoff // reader goroutine only
}

func newPacketSocket(pc net.PacketConn) *packetSocket {
	s := &packetSocket{pc: pc, local: addrPort(pc.LocalAddr())}
	s.reader, _ = pc.(addrPortReader)
	s.writer, _ = pc.(addrPortWriter)
	return s
}

// Recv implements Socket.
func (s *packetSocket) Recv(b []byte) (Received, error) {
	for {
		n, from, err := s.read(b)
		switch {
		case err != nil:
			if s.isClosed(err) {
				return Received{}, net.ErrClosed
			}
			s.transient.Add(1)
			s.backoff.pause()
		case n == 0:
			s.backoff.reset()
		case !from.IsValid():
			// Nobody to answer to: not a UDP network.
			s.transient.Add(1)
		default:
			s.backoff.reset()
			return Received{N: n, Segment: n, From: from, Local: s.destination()}, nil
		}
	}
}

func (s *packetSocket) read(b []byte) (int, netip.AddrPort, error) {
	if s.reader != nil {
		n, from, err := s.reader.ReadFromUDPAddrPort(b)
		return n, unmap(from), err
	}
	n, from, err := s.pc.ReadFrom(b)
	if err != nil || n == 0 {
		return n, netip.AddrPort{}, err
	}
	return n, addrPort(from), nil
}

// destination returns the address that datagrams are sent to, known if there is only
// one.
func (s *packetSocket) destination() netip.Addr {
	return concrete(s.local.Addr())
}

// Send implements Socket.
func (s *packetSocket) Send(p *Peer, runs []Run, _ bool) (int, error) {
	c := cursor{runs: runs}
	for n := 0; ; n++ {
		d := c.peek()
		if d == nil {
			return n, nil
		}
		if err := s.write(p, d); err != nil {
			switch {
			case s.isClosed(err):
				return n, net.ErrClosed
			case isNoBuffers(err):
				s.transient.Add(1)
				return n, ErrNoBuffers
			}
			s.transient.Add(1)
		}
		c.advance(d)
	}
}

func (s *packetSocket) write(p *Peer, d []byte) error {
	for repeat := 0; ; repeat++ {
		var err error
		if s.writer != nil {
			_, err = s.writer.WriteToUDPAddrPort(d, p.addr)
		} else {
			if p.udpAddr == nil {
				p.udpAddr = net.UDPAddrFromAddrPort(p.addr)
			}
			_, err = s.pc.WriteTo(d, p.udpAddr)
		}
		if err == nil || repeat == sendRepeats || !isMisdirected(err) {
			return err
		}
		s.transient.Add(1)
	}
}

// isClosed reports whether err means that the net.PacketConn will never work again.
func (s *packetSocket) isClosed(err error) bool {
	return s.closed.Load() || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, io.EOF)
}

// NotifyRefused implements Socket; there is nothing to turn on.
func (s *packetSocket) NotifyRefused(bool) {}

// Interrupt implements Socket; it does nothing.
func (s *packetSocket) Interrupt() {}

// LocalAddr implements Socket.
func (s *packetSocket) LocalAddr() netip.AddrPort { return s.local }

// Info implements Socket.
func (s *packetSocket) Info() Info {
	return Info{TransientErrors: s.transient.Load(), MaxRun: 1}
}

// SyscallConn implements Socket.
func (s *packetSocket) SyscallConn() (syscall.RawConn, error) {
	if sc, ok := s.pc.(syscall.Conn); ok {
		return sc.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// Close implements Socket.
func (s *packetSocket) Close() error {
	s.closed.Store(true)
	return s.pc.Close()
}

// concrete returns a without its zone, or an invalid address if a is a wildcard.
func concrete(a netip.Addr) netip.Addr {
	if !a.IsValid() || a.IsUnspecified() {
		return netip.Addr{}
	}
	return a.WithZone("")
}
