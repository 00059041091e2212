package udt_test

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt/internal/protect"
	"github.com/udtgo/udtgo/udt/internal/secure"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// A liar is an authenticated peer that sends what it likes: it has opened a protected
// connection with the machines of packages secure and protect, and seals what it is
// given.
type liar struct {
	l       *lab
	pc      *simnet.Conn
	to      netip.AddrPort
	machine *secure.Machine
	own     wire.Handshake
	first   uint32 // of the numbers that it sends
	peer    wire.Handshake
	sealer  *protect.Sealer
	opener  *protect.Opener
	tx      uint32 // data packets sent
	suite   protect.Suite
	secret  []byte
}

func liarPSK() secure.PSK {
	return secure.PSK{Identity: "test", Key: [32]byte(bytes.Repeat([]byte{7}, 32))}
}

func (l *lab) liarConfig(from, to netip.AddrPort, edit func(*secure.Config)) *secure.Config {
	l.Helper()
	c := &secure.Config{
		Own: wire.Handshake{
			Type: wire.SocketStream, Number: 1000, MSS: 1500, FlowWindow: 8192, SocketID: 77,
		},
		Caps: wire.CapExtendedAck, Remote: to, Local: from,
		Random: func(b []byte) { _, _ = rand.Read(b) },
	}
	if edit != nil {
		edit(c)
	}
	return c
}

// liar dials to, with what edit makes of the usual handshake. Without a connection
// there is the error.
func (l *lab) liar(from, to netip.AddrPort, edit func(*secure.Config)) (*liar, error) {
	l.Helper()
	c := l.liarConfig(from, to, edit)
	var err error
	key := liarPSK()
	c.TLS, err = secure.PSKClient(&key, nil)
	require.NoError(l, err)
	p := &liar{l: l, pc: l.socket(from), to: to, own: c.Own, first: c.Own.Number}
	p.machine = secure.NewClient(time.Now(), c)
	return p, p.open()
}

var errLiarTimeout = errors.New("no end of the exchange")

// open runs the exchange.
func (p *liar) open() error {
	b := make([]byte, 1<<16)
	for range 200 {
		p.flush()
		if err := p.machine.Err(); err != nil {
			return err
		}
		if p.machine.Done() {
			p.take()
			p.flush()
			return nil
		}
		_ = p.pc.SetReadDeadline(time.Now().Add(250 * time.Millisecond))
		if n, _, err := p.pc.ReadFromUDPAddrPort(b); err == nil {
			_ = p.machine.Handle(time.Now(), b[:n])
		}
	}
	return errLiarTimeout
}

func (p *liar) flush() {
	for {
		b := p.machine.Poll(time.Now(), nil)
		if b == nil {
			return
		}
		p.write(b)
	}
}

func (p *liar) write(b []byte) {
	_, err := p.pc.WriteToUDPAddrPort(b, p.to)
	require.NoError(p.l, err)
}

// take makes the two directions of what the exchange has yielded.
func (p *liar) take() {
	r := p.machine.Result()
	p.peer = r.Peer
	p.suite = protect.Suite(r.Suite)
	p.secret = r.WriteSecret
	var err error
	p.sealer, err = protect.NewSealer(p.suite, r.WriteSecret, protect.Config{})
	require.NoError(p.l, err)
	p.opener, err = protect.NewOpener(p.suite, r.ReadSecret, protect.Config{})
	require.NoError(p.l, err)
}

// seal returns a packet, with header, under protection.
func (p *liar) seal(b []byte) []byte {
	binary.BigEndian.PutUint32(b[12:], p.peer.SocketID)
	sealed, err := p.sealer.Seal(append([]byte(nil), b[:wire.HeaderLen]...), b[wire.HeaderLen:])
	require.NoError(p.l, err)
	return sealed
}

func (p *liar) send(b []byte) { p.write(p.seal(b)) }

func (p *liar) control(t wire.Type, info uint32, body ...uint32) {
	var b []byte
	for _, w := range body {
		b = binary.BigEndian.AppendUint32(b, w)
	}
	p.send(controlPacket(t, info, 0, b))
}

func (p *liar) data(number uint32, payload []byte) {
	p.tx++
	b := make([]byte, wire.HeaderLen, wire.HeaderLen+len(payload))
	(&wire.Data{Number: number, Boundary: wire.Solo, Ordered: true, Message: p.tx}).Put(b)
	p.send(append(b, payload...))
}

// receive returns the next packet, opened, nil if none comes for so long.
func (p *liar) receive(wait time.Duration) []byte {
	b := make([]byte, 1<<16)
	_ = p.pc.SetReadDeadline(time.Now().Add(wait))
	for {
		n, _, err := p.pc.ReadFromUDPAddrPort(b)
		if err != nil {
			return nil
		}
		if wire.IsHandshake(b[:n]) {
			continue
		}
		if payload, _, err := p.opener.Open(b[:n]); err == nil {
			return b[:wire.HeaderLen+len(payload)]
		}
	}
}

// A bookkeeper notes the data packets that a liar receives, as an honest peer would.
type bookkeeper struct {
	next, high uint32 // one past what has arrived without a gap, and the highest
	tx, got    uint32 // largest transmission, and how many
	seen       map[uint32]bool
}

func (p *liar) book() *bookkeeper {
	n := p.peer.Number
	if !p.machine.Result().Server {
		n = p.first // both directions start at the client's
	}
	return &bookkeeper{next: n, high: n, seen: map[uint32]bool{}}
}

// note takes a packet and reports whether it carried data.
func (k *bookkeeper) note(b []byte) bool {
	if b == nil || wire.IsControl(b) {
		return false
	}
	h := wire.ParseData(b)
	k.got++
	k.tx = max(k.tx, h.Message)
	k.seen[h.Number] = true
	k.high = max(k.high, h.Number+1)
	for k.seen[k.next] {
		delete(k.seen, k.next)
		k.next++
	}
	return true
}

// ack is the body of what acknowledges it.
func (k *bookkeeper) ack() wire.Ack {
	return wire.Ack{
		Form: wire.AckExtended, Next: k.next, RTT: 10_000, RTTVar: 1000, Window: 8192, RecvRate: 10_000, Capacity: 10_000,
		LargestTx: k.tx, Received: k.got, HighNext: k.high, Clock: uint32(time.Now().UnixMicro()),
	}
}

func (p *liar) ack(info uint32, a wire.Ack) {
	p.send(controlPacket(wire.TypeAck, info, 0, a.Append(nil)))
}
