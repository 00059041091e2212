package libudtmodel

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Words of a handshake packet, header included.
const (
	hsVersion = 4 + iota
	hsType
	hsNumber
	hsMSS
	hsWindow
	hsRequest
	hsID
	hsCookie
)

// Request types of handshakes.
const (
	requestInduction  = 1
	requestConclusion = 0xffffffff
	requestRefused    = 1002
)

// Types of control packets.
const (
	typeHandshake = iota
	typeKeepAlive
	typeAck
	typeNak
	_
	typeShutdown
	typeAck2
	typeDrop
)

func word(b []byte, i int) uint32 { return binary.BigEndian.Uint32(b[4*i:]) }

func putWord(b []byte, i int, v uint32) { binary.BigEndian.PutUint32(b[4*i:], v) }

// handshake answers a request that is addressed to nobody in particular.
func (l *Listener) handshake(now time.Duration, b []byte, from netip.AddrPort) {
	if len(b) != headerLen+handshakeLen {
		return
	}
	peer := word(b, hsID)
	answer := append(l.out[:0], b...) // all that is not set is echoed
	l.out = answer
	putWord(answer, 3, peer)
	if word(b, hsRequest) == requestInduction {
		putWord(answer, hsCookie, l.cookie)
		l.send(answer, from)
		return
	}
	if word(b, hsCookie) != l.cookie || word(b, 0) != 1<<31 {
		return
	}
	if word(b, hsVersion) != 4 || word(b, hsType) != 1 {
		putWord(answer, hsRequest, requestRefused)
		l.send(answer, from)
		return
	}
	c := l.find(peer, from)
	if c == nil {
		mss := min(word(b, hsMSS), 1500)
		c = newConn(l, from, l.nextID, peer, word(b, hsNumber), int(mss))
		c.begin(now)
		l.nextID--
		l.conns[c.id] = c
		l.wakeAt(now + timerPause)
		for i := range 3 {
			putWord(answer, i, 0)
		}
		putWord(answer, 0, 1<<31)
		putWord(answer, hsWindow, uint32(min(l.config.Buffer, l.config.FlowWindow)))
	} else {
		putWord(answer, hsWindow, uint32(l.config.FlowWindow))
	}
	putWord(answer, hsNumber, c.first)
	putWord(answer, hsMSS, uint32(c.payload+44))
	putWord(answer, hsRequest, requestConclusion)
	putWord(answer, hsID, c.id)
	l.send(answer, from)
}

// find returns the connection that a repeated conclusion has made already.
func (l *Listener) find(peer uint32, from netip.AddrPort) *conn {
	for _, c := range l.conns {
		if c.peer == peer && c.addr == from {
			return c
		}
	}
	return nil
}

// pinged answers a handshake addressed to a connection, as the library does
// with any whose request type is positive.
func (c *conn) pinged(b []byte) {
	if len(b) < headerLen+handshakeLen || int32(word(b, hsRequest)) <= 0 {
		return
	}
	var body [handshakeLen]byte
	putWord(body[:], hsNumber-4, c.first)
	putWord(body[:], hsMSS-4, uint32(c.payload+44))
	putWord(body[:], hsWindow-4, uint32(c.l.config.FlowWindow))
	putWord(body[:], hsRequest-4, requestConclusion)
	putWord(body[:], hsID-4, c.id)
	c.control(typeHandshake, 0, body[:])
}
