package secure

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// FuzzSHE gives a half-open server and a client that waits for its answer any
// datagrams that bear the right token: whatever they are, nothing panics, little is
// kept, and nothing is open that nobody has authenticated. The first bytes of b say
// how long each datagram is.
func FuzzSHE(f *testing.F) {
	l, first := firstConclusion(f)
	const from = wire.SecureOffset + wire.SecureLen
	f.Add(uint8(0), wire.AppendCrypto([]byte{100}, 0, []byte{1, 0, 0, 3, 1, 2, 3}))
	f.Add(uint8(0), wire.AppendCrypto([]byte{100}, 500, make([]byte, 90)))
	f.Add(uint8(0), wire.AppendClose([]byte{50}, closeAlert+42, "reason"))
	f.Add(uint8(2), wire.AppendAck([]byte{9, 9}, 2, 77))
	f.Add(uint8(0), append([]byte{255}, first[from:]...))
	f.Fuzz(func(t *testing.T, level uint8, b []byte) {
		l.t = t
		s, err := NewServer(l.now, &l.cfg[right], first)
		require.NoError(t, err)
		defer s.Release()
		c := NewClient(l.now, &l.cfg[left])
		defer c.Release()
		c.Handle(l.now, l.cookieReply(c.Poll(l.now, nil)))
		token := c.sendToken
		nonce := c.sendNonce
		for len(b) > 0 {
			n := min(int(b[0])*5+1, len(b))
			piece := b[1:n]
			b = b[n:]
			for i, m := range []*Machine{c, s} {
				d := append([]byte(nil), first[:from]...)
				d[wire.SecureOffset+5] = level
				if i == 0 {
					(&wire.Control{Type: wire.TypeHandshake, Dest: l.cfg[left].Own.SocketID}).Put(d)
					copy(d[wire.SecureOffset+8:], token[:])
					copy(d[wire.SecureOffset+16:], nonce[:])
				}
				m.Handle(l.now, append(d, piece...))
				require.False(t, m.Done())
				require.LessOrEqual(t, len(m.tls.clear.ahead), maxAhead)
				require.LessOrEqual(t, len(m.tls.clear.spans), maxSpans)
				require.LessOrEqual(t, len(m.tls.early), maxEarlyDatagrams)
				for range 20 {
					if m.Poll(l.now, nil) == nil {
						break
					}
				}
			}
		}
	})
}

// FuzzTransportParams decodes anything; what it decodes means the same when it is
// encoded again.
func FuzzTransportParams(f *testing.F) {
	p := Params{Version: 4, Type: 1, Number: 5, MSS: 1500, FlowWindow: 8192, SocketID: 7, Marker: wire.MarkerClient}
	f.Add(p.append(nil, 1))
	p.Contest[3], p.ResetToken = 1, make([]byte, resetTokenLen)
	p.Observed = netip.MustParseAddrPort("[2001:db8::1]:5")
	f.Add(p.append(nil, 0x7F))
	p.Observed = clientAddr
	f.Add(p.append(nil, 0x7F))
	f.Add([]byte{paramsVersion, 0xFF, 0xFF, 0xFF})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parseParams(b)
		if err != nil {
			return
		}
		again, err := parseParams(p.append(nil, 5))
		require.NoError(t, err)
		require.Equal(t, p, again)
	})
}

// Every entry is refused when it is doubled, cut or of another size, and the
// needed ones when they are missing.
func TestMalformedParams(t *testing.T) {
	p := Params{Version: 4, ResetToken: make([]byte, resetTokenLen), Observed: clientAddr}
	p.Contest[0] = 1
	good := p.append(nil, 9)
	_, err := parseParams(good)
	require.NoError(t, err)
	for n := range good[:len(good)-4] {
		_, err := parseParams(good[:n])
		if n < len(good)-4-(3+18)-(3+16) { // the last two are optional
			require.Error(t, err, "%d bytes", n)
		}
	}
	for _, tail := range [][]byte{
		{paramMode, 0, 1, 0}, {8, 0, 0}, {0, 0, 0}, {0x7F, 0, 0}, {paramIgnorable, 0, 1}, {1},
	} {
		_, err := parseParams(append(append([]byte(nil), good...), tail...))
		require.ErrorIs(t, err, errParams)
	}
	for id := byte(paramHandshake); id <= paramObserved; id++ {
		_, err := parseParams([]byte{paramsVersion, id, 0, 2, 1, 2})
		require.ErrorIs(t, err, errParams)
	}
	_, err = parseParams(append([]byte{2}, good[1:]...))
	require.ErrorIs(t, err, errParams, "another version")
}
