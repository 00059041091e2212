//go:build !linux || udtnooffload

package udpio

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// A systemSocket is a *net.UDPConn, by the methods of package net, one datagram per
// call, or for sending by those of x/net where they take several. The destination address of datagrams costs a control message and an
// allocation, and is asked for only on a wildcard socket, where it is not known
// anyway.
type systemSocket struct {
	conn   *net.UDPConn
	local  netip.AddrPort
	remote netip.AddrPort // invalid if not connected
	inet6  bool           // control messages are those of IPv6; set if controls
	wild   bool           // bound to the wildcard and not connected: sources can be pinned
	tells  bool           // the system tells the destination of datagrams
	batch  batchWriter    // nil if a call sends one datagram

	handoff   handoff
	transient atomic.Uint64

	// Reader goroutine only.
	backoff backoff
	oob     [128]byte
}

// A systemPeer is what a Peer keeps for a systemSocket.
type systemPeer struct {
	socket *systemSocket // that control was made for
	pin    []byte        // the control message that pins the source; empty for none
}

func newSystemSocket(conn *net.UDPConn, o Options) (Socket, error) {
	s := &systemSocket{conn: conn, local: addrPort(conn.LocalAddr())}
	if a := conn.RemoteAddr(); a != nil {
		s.remote = addrPort(a)
	}
	s.wild = !s.remote.IsValid() && s.local.Addr().IsUnspecified()
	s.inet6 = s.local.Addr().Is6()
	if s.wild {
		if s.inet6 {
			s.tells = ipv6.NewPacketConn(conn).SetControlMessage(ipv6.FlagDst, true) == nil
		} else {
			s.tells = ipv4.NewPacketConn(conn).SetControlMessage(ipv4.FlagDst, true) == nil
		}
	}
	s.batch = newBatchWriter(conn, s.inet6)
	setBuffer(conn.SetReadBuffer, o.RecvBuffer)
	setBuffer(conn.SetWriteBuffer, o.SendBuffer)
	return s, nil
}

// setBuffer asks for a buffer of so many bytes, or as much as the system allows: some
// refuse what is over their limit.
func setBuffer(set func(int) error, bytes int) {
	const least = 64 << 10
	for bytes > 0 && set(bytes) != nil && bytes > least {
		bytes /= 2
	}
}

// Recv implements Socket.
func (s *systemSocket) Recv(b []byte) (Received, error) {
	for {
		if err := s.handoff.take(s.remote); err != nil {
			return Received{}, err
		}
		n, from, local, err := s.read(b)
		switch {
		case err == nil:
			s.backoff.reset()
			if n > 0 {
				return Received{N: n, Segment: n, From: unmap(from), Local: local}, nil
			}
		case errors.Is(err, net.ErrClosed):
			return Received{}, net.ErrClosed
		case errors.Is(err, os.ErrDeadlineExceeded):
			s.handoff.woken(s.conn)
		case s.remote.IsValid() && isRefused(err):
			return Received{}, &RefusedError{Addr: s.remote}
		default:
			s.transient.Add(1)
			s.backoff.pause()
		}
	}
}

func (s *systemSocket) read(b []byte) (int, netip.AddrPort, netip.Addr, error) {
	if !s.tells {
		n, from, err := s.conn.ReadFromUDPAddrPort(b)
		return n, from, concrete(s.local.Addr()), err
	}
	n, oobn, _, from, err := s.conn.ReadMsgUDPAddrPort(b, s.oob[:])
	if err != nil {
		return 0, netip.AddrPort{}, netip.Addr{}, err
	}
	return n, from, s.destination(s.oob[:oobn]), nil
}

// destination returns the destination address in the control messages, if any.
func (s *systemSocket) destination(oob []byte) netip.Addr {
	var ip net.IP
	if s.inet6 {
		var cm ipv6.ControlMessage
		if cm.Parse(oob) == nil {
			ip = cm.Dst
		}
	} else {
		var cm ipv4.ControlMessage
		if cm.Parse(oob) == nil {
			ip = cm.Dst
		}
	}
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

// Send implements Socket.
func (s *systemSocket) Send(p *Peer, runs []Run, _ bool) (int, error) {
	if p.sys.socket != s {
		p.sys = systemPeer{socket: s, pin: s.pin(p.source)}
	}
	c := cursor{runs: runs}
	for n := 0; ; {
		d := c.peek()
		if d == nil {
			return n, nil
		}
		if s.batch != nil && !c.last(d) {
			taken, err := s.writeMany(p, c)
			if taken > 0 {
				for range taken {
					c.advance(c.peek())
				}
				n += taken
				continue
			}
			if isMisdirected(err) {
				s.misdirected(err)
			}
			// The first datagram is to blame, perhaps: it goes by itself.
		}
		if err := s.write(p, d); err != nil {
			switch {
			case errors.Is(err, net.ErrClosed):
				return n, net.ErrClosed
			case isNoBuffers(err):
				s.transient.Add(1)
				return n, ErrNoBuffers
			}
			s.transient.Add(1)
		}
		c.advance(d)
		n++
	}
}

// write sends d, and repeats that as long as the error may not be about d.
func (s *systemSocket) write(p *Peer, d []byte) error {
	for repeat := 0; ; {
		err := s.writeOnce(p, d)
		switch {
		case err == nil, errors.Is(err, net.ErrClosed), isNoBuffers(err):
			return err
		case isMisdirected(err) && repeat < sendRepeats:
			repeat++
			s.misdirected(err)
			continue
		case len(p.sys.pin) > 0:
			// The address may be gone, or this system cannot pin it here.
			p.sys.pin = nil
		default:
			return err
		}
		s.transient.Add(1)
	}
}

// misdirected notes an error of a send that was about another datagram.
func (s *systemSocket) misdirected(err error) {
	s.transient.Add(1)
	if s.remote.IsValid() && isRefused(err) {
		s.handoff.put(&s.handoff.refused, s.conn)
	}
}

func (s *systemSocket) writeOnce(p *Peer, d []byte) (err error) {
	switch {
	case s.remote.IsValid():
		_, err = s.conn.Write(d)
	case len(p.sys.pin) > 0:
		_, _, err = s.conn.WriteMsgUDPAddrPort(d, p.sys.pin, p.addr)
	default:
		_, err = s.conn.WriteToUDPAddrPort(d, p.addr)
	}
	return err
}

// pin returns the control message that makes source the source of a datagram, empty
// if there is nothing to pin. IPv4 on a socket for both families takes the message of
// IPv4.
func (s *systemSocket) pin(source netip.Addr) []byte {
	switch {
	case !s.wild || !source.IsValid():
		return nil
	case source.Is4():
		return (&ipv4.ControlMessage{Src: source.AsSlice()}).Marshal()
	}
	return (&ipv6.ControlMessage{Src: source.AsSlice()}).Marshal()
}

// NotifyRefused implements Socket; there is nothing to turn on.
func (s *systemSocket) NotifyRefused(bool) {}

// Interrupt implements Socket.
func (s *systemSocket) Interrupt() { s.handoff.put(&s.handoff.interrupted, s.conn) }

// LocalAddr implements Socket.
func (s *systemSocket) LocalAddr() netip.AddrPort { return s.local }

// Info implements Socket.
func (s *systemSocket) Info() Info {
	info := Info{TransientErrors: s.transient.Load(), Interruptible: true, MaxRun: maxWrites}
	if raw, err := s.conn.SyscallConn(); err == nil {
		info.RecvBuffer, info.SendBuffer = bufferSizes(raw)
	}
	return info
}

// SyscallConn implements Socket.
func (s *systemSocket) SyscallConn() (syscall.RawConn, error) { return s.conn.SyscallConn() }

// Close implements Socket.
func (s *systemSocket) Close() error { return s.conn.Close() }

// last reports whether nothing follows the datagram d, which peek returned.
func (c cursor) last(d []byte) bool {
	c.advance(d)
	return c.peek() == nil
}
