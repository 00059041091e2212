package udt_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
	"github.com/udtgo/udtgo/udt/internal/protect"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// A01, A02: packets of other addresses do not reach a protected connection, nor do
// those with other IDs.
func TestA01ProtectedWrongSource(t *testing.T) {
	inLab(t, fastLink, func(l *lab) {
		a, b, ids, w, _ := protectedLab(l, nil)
		r := rand.New(rand.NewPCG(1, 1))
		before, n := still(b), packets(1_000_000)
		l.flood(n, 200, time.Millisecond, func(int) {
			p := randomBytes(r, 32+r.IntN(100))
			binary.BigEndian.PutUint32(p[12:], ids[1])
			l.net.Inject(p, addrC, addrB)
		})
		s := b.Endpoint().Stats()
		require.EqualValues(l, n, s.WrongSource)
		require.Zero(l, l.sentTo(addrB, addrC))
		require.Equal(l, before, still(b))
		require.Zero(l, rejected(b), "they do not even reach the protection")
		w.take()
		l.requireAlive(a, b)
		row(t, "A01", fmt.Sprintf("protected: %d packets, right IDs, wrong source", n), "0 accepted, 0 replies")
	})
}

// A21: of random packets with the right addresses and the right ID none is taken,
// none answered, and none costs more than a look at its header.
func TestA21RandomPackets(t *testing.T) {
	inLab(t, fastLink, func(l *lab) {
		a, b, ids, _, _ := protectedLab(l, nil)
		r := rand.New(rand.NewPCG(21, 21))
		before, replies, n := still(b), l.sentTo(addrB, addrA), packets(1_000_000)
		l.flood(n, 200, time.Millisecond, func(int) {
			p := randomBytes(r, 16+r.IntN(200))
			binary.BigEndian.PutUint32(p[12:], ids[1])
			l.net.Inject(p, addrA, addrB)
		})
		forged, replayed := udt.Rejected(b)
		require.EqualValues(l, n, forged+replayed)
		require.Equal(l, before, still(b))
		require.Equal(l, replies, l.sentTo(addrB, addrA))
		l.requireAlive(a, b)
		row(t, "A21", fmt.Sprintf("%d random packets to a protected connection, right addresses and ID", n),
			"0 accepted, 0 replies, %v each", costOfRejection(t))
	})
}

// costOfRejection measures, outside of virtual time, what a random packet costs the
// protection.
func costOfRejection(t *testing.T) time.Duration {
	if !testing.Verbose() {
		return 0
	}
	o, err := protect.NewOpener(protect.Suite(0x1301), make([]byte, 32), protect.Config{})
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(1, 1))
	var ps [64][]byte
	for i := range ps {
		ps[i] = randomBytes(r, 1472)
	}
	res := testing.Benchmark(func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			p := ps[i%len(ps)]
			_, _, err := o.Open(p)
			if err == nil {
				b.Fatal("opened")
			}
			p[16]++ // another mask, another epoch
		}
	})
	return time.Duration(res.NsPerOp())
}

// forgeries returns one or more of every packet that plain UDT has, each as right as
// one can be whose sender knows all numbers in use.
func forgeries(s udt.Stats, id, number uint32) map[string][]byte {
	u32 := binary.BigEndian.AppendUint32
	word := func(vs ...uint32) (b []byte) {
		for _, v := range vs {
			b = u32(b, v)
		}
		return b
	}
	shutdown := func(r wire.Reason) []byte {
		var p [wire.ShutdownLen]byte
		(&wire.Shutdown{Reason: r, Final: number}).Put(p[:])
		return p[:]
	}
	extended := wire.Ack{Form: wire.AckExtended, Next: number, Window: 1, LargestTx: 1, Received: 1}
	ps := map[string][]byte{
		"keep-alive":              controlPacket(wire.TypeKeepAlive, 0, id, make([]byte, wire.PadLen)),
		"keep-alive with request": controlPacket(wire.TypeKeepAlive, wire.KeepAliveAckRequest, id, make([]byte, wire.PadLen)),
		"light ACK":               controlPacket(wire.TypeAck, 0, id, word(number)),
		"short ACK":               controlPacket(wire.TypeAck, 1, id, word(number, 1, 1, 0)),
		"full ACK":                controlPacket(wire.TypeAck, 2, id, word(number, 1, 1, 0, 1, 1)),
		"extended ACK":            controlPacket(wire.TypeAck, 3, id, extended.Append(nil)),
		"NAK":                     controlPacket(wire.TypeNak, 0, id, word(1<<31|1000, number-1)),
		"congestion warning":      controlPacket(wire.TypeCongestionWarning, 0, id, make([]byte, wire.PadLen)),
		"Shutdown":                controlPacket(wire.TypeShutdown, 0, id, shutdown(wire.ReasonClosed)),
		"abort":                   controlPacket(wire.TypeShutdown, 0, id, shutdown(wire.ReasonAborted)),
		"answer to a Shutdown":    controlPacket(wire.TypeShutdown, wire.ShutdownAnswer, id, shutdown(wire.ReasonEndpoint)),
		"the reference's end":     controlPacket(wire.TypeShutdown, 0, id, make([]byte, wire.PadLen)),
		"ACK2":                    controlPacket(wire.TypeAck2, 1, id, make([]byte, wire.PadLen)),
		"drop request":            controlPacket(wire.TypeDropRequest, 1, id, word(1000, number)),
		"error":                   controlPacket(wire.TypeError, wire.ErrorFileWrite, id, make([]byte, wire.PadLen)),
	}
	for ext := range uint16(3) {
		p := make([]byte, 40)
		(&wire.Control{Type: wire.TypeUser, Ext: wire.FirstOwnExt*(ext%2) + ext, Dest: id}).Put(p)
		ps[fmt.Sprintf("user control %d", ext)] = p
	}
	for t := wire.Type(9); t < 16; t++ {
		ps[fmt.Sprintf("control of type %d", t)] = controlPacket(t, 0, id, make([]byte, 100))
	}
	for _, boundary := range []wire.Boundary{wire.Middle, wire.First, wire.Last, wire.Solo} {
		for _, size := range []int{0, 1, 100, 1440, 1456} {
			p := make([]byte, wire.HeaderLen+size)
			(&wire.Data{Number: number, Boundary: boundary, Ordered: true, Message: 1, Time: 1, Dest: id}).Put(p)
			ps[fmt.Sprintf("data of %d bytes, boundary %d", size, boundary)] = p
		}
	}
	for _, request := range []wire.Request{1, 0, -1, -2, 1002, 3} {
		h := hello(1)
		h.Request, h.Number = request, 1000
		p := handshakePacket(&h)
		binary.BigEndian.PutUint32(p[12:], id)
		ps[fmt.Sprintf("handshake %d", request)] = p
		h.Version = 0
		p = handshakePacket(&h)
		binary.BigEndian.PutUint32(p[12:], id)
		ps[fmt.Sprintf("handshake %d of version 0", request)] = p
	}
	return ps
}

// Once protection is on no packet in plain text has any effect, nor any answer, of
// whatever type and however right.
func TestA00NoPlaintextHasAnEffect(t *testing.T) {
	for _, mode := range []udt.Mode{udt.ModeStream, udt.ModeMessage} {
		inLab(t, fastLink, func(l *lab) {
			a, b, ids, w, opening := protectedLab(l, psk(mode))
			if mode == udt.ModeStream {
				l.requireAlive(a, b)
				time.Sleep(time.Second)
			}
			number := uint32(1000 + (100_000+1439)/1440)
			w.take()
			want := [2]udt.Stats{still(a), still(b)}
			n := 0
			for name, p := range forgeries(want[0], ids[0], number) {
				for range 3 {
					l.net.Inject(p, addrB, addrA)
				}
				settle()
				require.Equal(l, want[0], still(a), name)
				n += 3
			}
			for name, p := range forgeries(want[1], ids[1], number) {
				for range 3 {
					l.net.Inject(p, addrA, addrB)
				}
				settle()
				require.Equal(l, want[1], still(b), name)
			}
			for _, p := range w.take() {
				require.LessOrEqual(l, len(p.b), 2048)
				require.False(l, p.from == addrB && l.sentTo(addrB, addrA) == 0)
			}
			// The handshakes that opened it, to the listener and to the connection.
			for _, p := range opening {
				if h, ok := bodyOf(p.b); ok && h.Request == wire.RequestConclusion && wire.IsSecure(p.b) {
					l.net.Inject(p.b, p.from, p.to)
				}
			}
			settle()
			require.Equal(l, want[0], still(a))
			require.Equal(l, want[1], still(b))
			if mode == udt.ModeStream {
				l.requireAlive(a, b)
			}
			for _, p := range w.take() {
				if !wire.IsHandshake(p.b) {
					continue
				}
				h, _ := bodyOf(p.b)
				require.True(l, wire.IsSecure(p.b) || h.Request != wire.RequestInduction || h.Cookie == 0, "an answer in the clear")
			}
			if mode == udt.ModeStream {
				row(t, "A00", fmt.Sprintf("%d packets in plain text, all types, right numbers, both ways", 2*n), "0 effects on any counter or byte")
			}
		})
	}
}
