package secure

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// edit returns b with the 32-bit word at offset changed.
func edit(b []byte, offset int) []byte {
	binary.BigEndian.PutUint32(b[offset:], binary.BigEndian.Uint32(b[offset:])^0x10)
	return b
}

// Attack A32: whoever changes what travels in the clear is found out, on both
// sides, or changed what nobody reads.
func TestEditsInFlight(t *testing.T) {
	fields := map[string]int{
		"marker": 4, "version": 16, "type": 20, "number": 24, "MSS": 28, "window": 32, "socket ID": 40,
	}
	secure := wire.IsSecure
	any := func([]byte) bool { return true }
	for name, offset := range fields {
		for _, c := range []struct {
			dir  string
			to   int
			when func([]byte) bool
		}{
			{"from the client, all", right, any}, // with a cookie for the changed fields
			{"from the client, conclusions", right, secure},
			{"from the server", left, secure},
		} {
			t.Run(name+" "+c.dir, func(t *testing.T) {
				l := newLab(t, 1)
				l.usePinned()
				l.tamper = func(to int, b []byte) []byte {
					switch {
					case to == c.to && c.when(b):
						return edit(b, offset)
					case name == "socket ID" && to == left && c.to == right:
						return edit(b, 12) // or the client would never hear anything
					}
					return b
				}
				l.dial()
				l.run(time.Minute)
				if offset != 4 && offset != 28 && offset != 32 && c.dir == "from the client, conclusions" {
					// The cookie binds these: the listener is silent.
					require.ErrorIs(t, l.machines[left].Err(), ErrTimeout)
					require.Nil(t, l.machines[right])
					return
				}
				for i, m := range l.machines {
					require.ErrorIs(t, m.Err(), ErrDowngrade, "side %d", i)
					require.Less(t, l.failedAt[i].Sub(epoch), 6*oneWay)
				}
				require.Nil(t, l.took[left])
				require.Nil(t, l.took[right])
			})
		}
	}
}

// The offer in the cookie reply is what the server compares with its own.
func TestEditedAdvert(t *testing.T) {
	const at = wire.HeaderLen + 32
	for name, c := range map[string]struct {
		offset int
		mask   byte
		err    error
	}{
		"stripped":         {at, 1, ErrPeerNotSecure},
		"version":          {at + 4, 1, ErrPeerNotSecure},
		"without TLS":      {at + 5, wire.AdvertTLS, ErrPeerNotSecure},
		"not required":     {at + 5, wire.AdvertRequired, ErrDowngrade},
		"auth-only":        {at + 5, wire.AdvertAuthOnly, ErrDowngrade},
		"capabilities":     {at + 7, 1, ErrDowngrade},
		"token":            {at + 8, 1, ErrTimeout},
		"cookie":           {wire.HeaderLen + 31, 1, ErrTimeout},
		"what nobody uses": {wire.HeaderLen + 15, 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, 1)
			l.usePinned()
			l.tamper = func(to int, b []byte) []byte {
				if to == left && !wire.IsSecure(b) {
					b[c.offset] ^= c.mask
				}
				return b
			}
			l.dial()
			l.run(time.Minute)
			if c.err == nil {
				l.requireOpen()
				return
			}
			require.ErrorIs(t, l.machines[left].Err(), c.err)
			if c.err == ErrDowngrade {
				require.ErrorIs(t, l.machines[right].Err(), ErrDowngrade)
				return
			}
			require.Nil(t, l.machines[right])
		})
	}
}

// A bit that changes anywhere in a sealed datagram makes it nobody's; the exchange
// goes on with the next copy.
func TestSealedDatagramsAreAuthenticated(t *testing.T) {
	const from = wire.SecureOffset
	for _, to := range []int{left, right} {
		for _, offset := range []int{from + 5, from + 6, from + 24, from + 27, from + 28, from + 31, from + 60} {
			l := newLab(t, 1)
			l.usePinned()
			changed := 0
			l.tamper = func(at int, b []byte) []byte {
				if at == to && wire.IsSecure(b) && b[from+5] == wire.LevelSealed && changed == 0 && len(b) > offset {
					changed++
					b[offset] ^= 2
				}
				return b
			}
			l.dial()
			l.run(time.Minute)
			l.requireOpen()
			require.Equal(t, 1, changed)
			require.Greater(t, l.doneAt[right].Sub(epoch), firstInterval, "offset %d to %d", offset, to)
		}
	}
}

// firstConclusion returns a server's configuration and the first datagram of a
// client that it accepts.
func firstConclusion(t testing.TB) (*lab, []byte) {
	l := newLab(t, 1)
	l.usePinned()
	var first []byte
	l.tamper = func(to int, b []byte) []byte {
		if to == right && wire.IsSecure(b) {
			if first == nil {
				first = b
			}
			return nil
		}
		return b
	}
	l.dial()
	l.run(100 * time.Millisecond)
	require.NotNil(t, first)
	return l, first
}

// Attack A31: TLVs that are malformed or unknown have no effect, and cost nothing.
func TestAbusedTLVs(t *testing.T) {
	l, first := firstConclusion(t)
	const from = wire.SecureOffset + wire.SecureLen
	for name, tlvs := range map[string][]byte{
		"unknown critical":  {0x7F, 0, 0},
		"generation":        wire.AppendTLV(nil, wire.TLVGeneration, make([]byte, 36)),
		"65535 bytes":       {byte(wire.TLVPad), 0xFF, 0xFF},
		"1000 of them":      []byte(strings.Repeat("\x05\x00\x00", 1000))[:1100],
		"33 of them":        []byte(strings.Repeat("\x05\x00\x00", 33)),
		"cut":               {byte(wire.TLVPad), 0},
		"empty crypto":      wire.AppendCrypto(nil, 0, nil),
		"crypto far ahead":  wire.AppendCrypto(nil, 1<<24-100, make([]byte, 99)),
		"clear ack":         wire.AppendAck(nil, wire.LevelSealed, 1),
		"contest":           wire.AppendTLV(nil, wire.TLVContest, make([]byte, 32)),
		"short contest":     wire.AppendTLV(nil, wire.TLVContest, make([]byte, 31)),
		"short close":       wire.AppendTLV(nil, wire.TLVClose, make([]byte, 3)),
		"long close":        wire.AppendTLV(nil, wire.TLVClose, make([]byte, 69)),
		"nothing":           nil,
		"ignorable unknown": {0xFF, 0, 3, 1, 2, 3},
	} {
		t.Run(name, func(t *testing.T) {
			b := append(append([]byte(nil), first[:from]...), tlvs...)
			m, err := NewServer(l.now, &l.cfg[right], first)
			require.NoError(t, err)
			defer m.Release()
			next := m.tls.clear.next
			allocs := testing.AllocsPerRun(10, func() { m.Handle(l.now, b) })
			require.LessOrEqual(t, allocs, 1.0)
			require.NoError(t, m.Err())
			require.Equal(t, next, m.tls.clear.next)
			require.Empty(t, m.tls.clear.ahead)
		})
	}
}

// Datagrams of another attempt, address or time have no effect on this one.
func TestForeignDatagrams(t *testing.T) {
	l, first := firstConclusion(t)
	m, err := NewServer(l.now, &l.cfg[right], first)
	require.NoError(t, err)
	defer m.Release()
	b := append([]byte(nil), first[:wire.SecureOffset+wire.SecureLen]...)
	b = wire.AppendClose(b, closeCancelled, "")
	for offset := wire.SecureOffset; offset < wire.SecureOffset+24; offset++ {
		if offset == wire.SecureOffset+6 || offset == wire.SecureOffset+7 {
			continue // flags that mean nothing yet
		}
		other := append([]byte(nil), b...)
		other[offset] ^= 1
		m.Handle(l.now, other)
		require.NoError(t, m.Err(), "offset %d", offset)
	}
	require.Equal(t, 22, m.Dropped())
	for n := range len(b) {
		m.Handle(l.now, b[:n])
	}
	require.NoError(t, m.Err())
	m.Handle(l.now, b)
	require.ErrorIs(t, m.Err(), ErrCancelled)
}

// Nothing but the beginning of an exchange makes a server keep anything.
func TestServerNeedsABeginning(t *testing.T) {
	l, first := firstConclusion(t)
	for name, change := range map[string]func(b []byte) []byte{
		"short":   func(b []byte) []byte { return b[:wire.SecureOffset+wire.SecureLen-1] },
		"long":    func(b []byte) []byte { return append(b, make([]byte, wire.MaxSecureLen)...) },
		"sealed":  func(b []byte) []byte { b[wire.SecureOffset+5] = wire.LevelSealed; return b },
		"request": func(b []byte) []byte { return edit(b, wire.HeaderLen+20) },
		"version": func(b []byte) []byte { b[wire.SecureOffset+4]++; return b },
		"plain":   func(b []byte) []byte { return b[:wire.SecureOffset] },
	} {
		_, err := NewServer(l.now, &l.cfg[right], change(append([]byte(nil), first...)))
		require.ErrorIs(t, err, wire.ErrMalformed, name)
	}
}

// Once a side can seal, a clear CLOSE is not its word.
func TestForgedClose(t *testing.T) {
	l := newLab(t, 1)
	l.usePinned()
	forged := 0
	l.tamper = func(to int, b []byte) []byte {
		if !wire.IsSecure(b) || b[wire.SecureOffset+5] != wire.LevelSealed {
			return b
		}
		// What lies in the clear is enough to make one, for who sees the path.
		f := append([]byte(nil), b[:wire.SecureOffset+wire.SecureLen]...)
		f[wire.SecureOffset+5] = wire.LevelClear
		m := l.machines[to]
		if m.tls.peerSeals(m.role) {
			forged++
			m.Handle(l.now, wire.AppendClose(f, closeDowngrade, ""))
		}
		return b
	}
	l.dial()
	l.run(time.Minute)
	l.requireOpen()
	require.NotZero(t, forged)
}

// What a peer writes into a CLOSE is not trusted to be text.
func TestCloseReasonIsPrintable(t *testing.T) {
	l, first := firstConclusion(t)
	m, err := NewServer(l.now, &l.cfg[right], first)
	require.NoError(t, err)
	defer m.Release()
	b := append([]byte(nil), first[:wire.SecureOffset+wire.SecureLen]...)
	m.Handle(l.now, wire.AppendClose(b, 0xFFFFFFFF, "a\nb\x1b[31m\xff"))
	require.ErrorIs(t, m.Err(), ErrProtocol)
	require.Equal(t, "secure handshake failed: the client refused us: a?b?[31m?", m.Err().Error())
}

// Bytes that come too early are kept up to 16 KiB, and in any order.
func TestStream(t *testing.T) {
	text := make([]byte, 5000)
	for i := range text {
		text[i] = byte(i * 7)
	}
	for seed := range uint64(200) {
		l := newLab(t, seed)
		s := stream{limit: maxClear}
		var got []byte
		for len(got) < len(text) {
			from := l.rng.IntN(len(text))
			to := min(from+1+l.rng.IntN(900), len(text))
			piece := append([]byte(nil), text[from:to]...)
			got = append(got, s.add(from, piece)...)
			clear(piece) // it was only lent
			require.LessOrEqual(t, len(s.spans), maxSpans)
		}
		require.Equal(t, text, got)
		require.Nil(t, s.ahead)
	}
	s := stream{limit: maxClear}
	require.Nil(t, s.add(1, make([]byte, maxAhead)))
	require.Nil(t, s.ahead, "too far")
	for i := range 2 * maxSpans {
		s.add(2+2*i, []byte{1})
	}
	require.Len(t, s.spans, maxSpans)
	s = stream{limit: 10}
	require.Nil(t, s.add(0, make([]byte, 11)))
	require.Zero(t, s.next)
}

// Attack A41: with bound addresses a rewritten one is found out.
func TestBoundAddresses(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(l *lab)
		opens  bool
	}{
		{"as they are", func(l *lab) {}, true},
		{"unspecified local address", func(l *lab) {
			l.cfg[left].Local = netip.MustParseAddrPort("0.0.0.0:5000")
		}, true},
		{"the server sees a translated address", func(l *lab) {
			l.cfg[right].Remote = netip.MustParseAddrPort("198.51.100.1:5000")
		}, false},
		{"the server sees a translated port", func(l *lab) {
			l.cfg[right].Remote = netip.MustParseAddrPort("192.0.2.1:5001")
		}, false},
		{"the client sees a translated server", func(l *lab) {
			l.cfg[left].Remote = netip.MustParseAddrPort("198.51.100.2:9000")
		}, false},
		{"only one side binds", func(l *lab) { l.cfg[left].BindAddresses = false }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, 1)
			l.usePinned()
			l.cfg[left].BindAddresses, l.cfg[right].BindAddresses = true, true
			c.change(l)
			l.dial()
			l.run(time.Minute)
			if c.opens {
				l.requireOpen()
				return
			}
			require.ErrorIs(t, l.machines[left].Err(), ErrDowngrade)
			require.ErrorIs(t, l.machines[right].Err(), ErrDowngrade)
		})
	}
}

func TestJar(t *testing.T) {
	l := newLab(t, 1)
	h := l.cfg[left].Own
	h.Version = wire.Version
	now := epoch
	j := NewJar(now, 9000, l.random)
	cookie, token := j.Make(now, clientAddr, &h)
	require.NotZero(t, cookie)
	h.Cookie = cookie
	valid := func(at time.Duration) bool { return j.Valid(epoch.Add(at), clientAddr, &h, token) }
	require.True(t, valid(0))
	require.True(t, j.ValidCookie(epoch, clientAddr, &h), "a plain client has no token")

	// All that is bound.
	for name, change := range map[string]func(*wire.Handshake){
		"cookie": func(h *wire.Handshake) { h.Cookie += 2 }, "parity": func(h *wire.Handshake) { h.Cookie ^= 1 },
		"number": func(h *wire.Handshake) { h.Number++ }, "socket ID": func(h *wire.Handshake) { h.SocketID++ },
		"type": func(h *wire.Handshake) { h.Type++ }, "version": func(h *wire.Handshake) { h.Version++ },
	} {
		other := h
		change(&other)
		require.False(t, j.Valid(epoch, clientAddr, &other, token), name)
		require.False(t, j.ValidCookie(epoch, clientAddr, &other), name)
	}
	for _, from := range []string{"192.0.2.1:5001", "192.0.2.3:5000"} {
		require.False(t, j.Valid(epoch, netip.MustParseAddrPort(from), &h, token))
	}
	for i := range token {
		other := token
		other[i] ^= 1
		require.False(t, j.Valid(epoch, clientAddr, &h, other))
	}

	// A rotation later still, two rotations later no more.
	require.True(t, valid(rotation-1))
	require.True(t, valid(rotation))
	require.True(t, valid(2*rotation-1))
	require.False(t, valid(2*rotation))
	require.False(t, valid(time.Hour))

	j = NewJar(epoch, 9000, l.random)
	cookie, token = j.Make(epoch, clientAddr, &h)
	h.Cookie = cookie
	require.False(t, valid(3*rotation), "after a pause too")
}

// Honest clients pass whenever the secret rotates.
func TestJarAcrossRotations(t *testing.T) {
	l := newLab(t, 1)
	j := NewJar(epoch, 9000, l.random)
	h := l.cfg[left].Own
	for i := range 1000 {
		now := epoch.Add(time.Duration(i) * 977 * time.Millisecond)
		cookie, token := j.Make(now, clientAddr, &h)
		h.Cookie = cookie
		require.True(t, j.Valid(now.Add(3*time.Second), clientAddr, &h, token))
	}
}
