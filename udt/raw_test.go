package udt_test

import (
	"net/netip"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// A raw is a peer that sends what it likes.
type raw struct {
	l  *lab
	pc *simnet.Conn
	to netip.AddrPort
}

func (l *lab) raw(from, to netip.AddrPort) *raw {
	l.Helper()
	return &raw{l, l.socket(from), to}
}

// hello is the body of a client's first request.
func hello(id uint32) wire.Handshake {
	return wire.Handshake{
		Version: wire.Version, Type: wire.SocketStream, Number: 1000, MSS: 1500, FlowWindow: 8192,
		Request: wire.RequestInduction, SocketID: id,
	}
}

func handshakePacket(h *wire.Handshake) []byte {
	p := make([]byte, wire.HeaderLen+wire.HandshakeLen)
	(&wire.Control{Type: wire.TypeHandshake}).Put(p)
	h.Put(p[wire.HeaderLen:])
	return p
}

func controlPacket(t wire.Type, info, dest uint32, body []byte) []byte {
	p := make([]byte, wire.HeaderLen, wire.HeaderLen+len(body))
	(&wire.Control{Type: t, Info: info, Dest: dest}).Put(p)
	return append(p, body...)
}

func (r *raw) send(b []byte) {
	r.l.Helper()
	_, err := r.pc.WriteToUDPAddrPort(b, r.to)
	require.NoError(r.l, err)
}

// receive returns the next datagram, nil if none comes within a second.
func (r *raw) receive() []byte {
	r.l.Helper()
	r.pc.SetReadDeadline(time.Now().Add(time.Second))
	b := make([]byte, 2048)
	n, from, err := r.pc.ReadFromUDPAddrPort(b)
	if err != nil {
		return nil
	}
	require.Equal(r.l, r.to, from)
	return b[:n]
}

// handshake sends h and returns the answer, if one comes.
func (r *raw) handshake(h wire.Handshake) (answer wire.Handshake, ok bool) {
	r.l.Helper()
	r.send(handshakePacket(&h))
	for {
		b := r.receive()
		if b == nil {
			return answer, false
		}
		if !wire.IsControl(b) || wire.ParseControl(b).Type != wire.TypeHandshake {
			continue
		}
		answer, err := wire.ParseHandshake(b[wire.HeaderLen:])
		require.NoError(r.l, err)
		return answer, true
	}
}

// request asks for a cookie and returns the conclusion to send next.
func (r *raw) request(id uint32) wire.Handshake {
	r.l.Helper()
	return r.requestAs(hello(id))
}

// requestAs is request for a client that says h of itself from the first.
func (r *raw) requestAs(h wire.Handshake) wire.Handshake {
	r.l.Helper()
	answer, ok := r.handshake(h)
	require.True(r.l, ok, "no cookie")
	require.Equal(r.l, wire.RequestInduction, answer.Request)
	h.Request, h.Cookie = wire.RequestConclusion, answer.Cookie
	return h
}
