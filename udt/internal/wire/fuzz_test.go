package wire

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// seedBodies adds the bodies of the vectors' packets of type want to the corpus.
func seedBodies(f *testing.F, want Type) {
	for _, v := range vectors(f) {
		if v.Fields.Kind == "control" && v.Fields.Type == want {
			f.Add(unhex(f, v.Hex)[HeaderLen:])
		}
	}
}

// FuzzPacket decodes any datagram that is long enough for a header as whatever
// it claims to be. Headers are the same again when encoded: they have no bits
// that are not decoded.
func FuzzPacket(f *testing.F) {
	for _, v := range vectors(f) {
		if b := unhex(f, v.Hex); len(b) >= HeaderLen {
			f.Add(b)
		}
	}
	f.Add(bytes.Repeat([]byte{0xFF}, HeaderLen+60))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < HeaderLen {
			return
		}
		again := make([]byte, HeaderLen)
		if !IsControl(b) {
			d := ParseData(b)
			d.Put(again)
			require.Equal(t, b[:HeaderLen], again)
			require.Equal(t, d.Dest, Dest(b))
			return
		}
		c := ParseControl(b)
		c.Put(again)
		require.Equal(t, b[:HeaderLen], again)
		require.Equal(t, c.Dest, Dest(b))
		body := b[HeaderLen:]
		switch c.Type {
		case TypeHandshake:
			checkHandshake(t, body)
		case TypeAck:
			checkAck(t, body)
		case TypeNak:
			checkRanges(t, body)
		case TypeShutdown:
			checkShutdown(t, body)
		case TypeDropRequest:
			checkDropRequest(t, body)
		}
	})
}

// FuzzRanges reads any loss list.
func FuzzRanges(f *testing.F) {
	seedBodies(f, TypeNak)
	f.Add(words(4, 1<<31|6))
	f.Add(words(1<<31|6, 1<<31|9, 12))
	f.Add(words(1<<31|9, 3, 1<<31|7, 7))
	f.Add([]byte{0, 0, 0, 1, 0x80})
	f.Fuzz(checkRanges)
}

// FuzzHandshake decodes any handshake body.
func FuzzHandshake(f *testing.F) {
	seedBodies(f, TypeHandshake)
	f.Add(make([]byte, HandshakeLen-1))
	f.Add(make([]byte, HandshakeLen+5))
	f.Fuzz(checkHandshake)
}

// FuzzAck decodes any ACK body.
func FuzzAck(f *testing.F) {
	seedBodies(f, TypeAck)
	a := fullAck(AckExtended)
	f.Add(a.Append(nil))
	f.Add(a.Append(nil)[:44])
	f.Add(make([]byte, 20))
	f.Fuzz(checkAck)
}

func checkRanges(t *testing.T, body []byte) {
	var again []byte
	r := ParseRanges(body)
	for read := 0; ; read++ {
		require.LessOrEqual(t, 4*read, len(body), "each range takes a word at least")
		before := len(r.rest)
		first, last, ok := r.Next()
		if !ok {
			break
		}
		require.LessOrEqual(t, first, uint32(NumberMask))
		require.LessOrEqual(t, last, uint32(NumberMask))
		if first == last && before-len(r.rest) == MaxRangeLen {
			// We write a range of one packet as that packet.
			again = append(again, words(rangeBit|first, last)...)
			continue
		}
		again = AppendRange(again, int64(first), int64(last))
	}
	require.True(t, bytes.HasPrefix(body, again), "what was read, %x, is what was there, %x", again, body)
	rest := body[len(again):]
	switch {
	case len(rest) < 4: // the end
	case len(rest) < 8:
		require.NotZero(t, rest[0]&0x80, "only a range can lack its end")
	default:
		require.NotZero(t, rest[0]&rest[4]&0x80, "only a start after a start stops the list")
	}
}

func checkHandshake(t *testing.T, body []byte) {
	h, err := ParseHandshake(body)
	if len(body) < HandshakeLen {
		require.ErrorIs(t, err, ErrMalformed)
		require.Zero(t, h)
		return
	}
	require.NoError(t, err)
	again := make([]byte, HandshakeLen)
	h.Put(again)
	require.Equal(t, body[:HandshakeLen], again)
}

func checkAck(t *testing.T, body []byte) {
	a, err := ParseAck(body)
	if err != nil {
		require.ErrorIs(t, err, ErrMalformed)
		require.Zero(t, a)
		require.Less(t, len(body), 24)
		return
	}
	// Bit 31 of numbers and what follows the form's words are not kept.
	want := bytes.Clone(body)
	want[0] &= 0x7F
	switch a.Form {
	case AckFull:
		want = want[:24]
	case AckExtended:
		want[40] &= 0x7F
		checkRanges(t, a.Missing)
	}
	require.Equal(t, want, a.Append(nil))
}

func checkShutdown(t *testing.T, body []byte) {
	s, ok := ParseShutdown(body)
	require.Equal(t, len(body) >= ShutdownLen, ok)
	if !ok {
		require.Zero(t, s)
		return
	}
	want := bytes.Clone(body[:ShutdownLen])
	want[4] &= 0x7F
	again := make([]byte, ShutdownLen)
	s.Put(again)
	require.Equal(t, want, again)
}

func checkDropRequest(t *testing.T, body []byte) {
	first, last, err := ParseDropRequest(body)
	if len(body) < DropRequestLen {
		require.ErrorIs(t, err, ErrMalformed)
		return
	}
	require.NoError(t, err)
	want := bytes.Clone(body[:DropRequestLen])
	want[0] &= 0x7F
	want[4] &= 0x7F
	again := make([]byte, DropRequestLen)
	PutDropRequest(again, int64(first), int64(last))
	require.Equal(t, want, again)
}
