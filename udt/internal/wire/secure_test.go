package wire

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAdvert(t *testing.T) {
	a := Advert{
		Version: SecureVersion, Flags: AdvertTLS | AdvertRequired, Caps: 0x0102,
		Token: [8]byte{1, 2, 3, 4, 5, 6, 7, 8},
	}
	b := a.Bytes()
	require.Equal(t, []byte("UDTS\x11\x11\x01\x02\x01\x02\x03\x04\x05\x06\x07\x08"), b[:])
	again, ok := ParseAdvert(b)
	require.True(t, ok)
	require.Equal(t, a, again)

	var h Handshake
	_, ok = ParseAdvert(h.PeerIP)
	require.False(t, ok)
}

func TestSecure(t *testing.T) {
	s := Secure{
		Level: LevelSealed, Flags: 3, Number: 0x01020304,
		Token: [8]byte{1, 1, 1, 1, 1, 1, 1, 1}, Nonce: [8]byte{2, 2, 2, 2, 2, 2, 2, 2},
	}
	b := make([]byte, SecureOffset+SecureLen)
	(&Control{Type: TypeHandshake, Info: 5, Dest: 9}).Put(b)
	s.Put(b[SecureOffset:])
	require.Equal(t, unhex(t, "55445453 11020300 0101010101010101 0202020202020202 01020304"), b[SecureOffset:])
	require.True(t, IsSecure(b))
	again, err := ParseSecure(b[SecureOffset:])
	require.NoError(t, err)
	require.Equal(t, s, again)

	require.False(t, IsSecure(b[:len(b)-1]))
	_, err = ParseSecure(b[SecureOffset : len(b)-1])
	require.ErrorIs(t, err, ErrMalformed)
	for offset, value := range map[int]byte{0: 'u', 4: 0x12, 5: 1} {
		other := bytes.Clone(b[SecureOffset:])
		other[offset] = value
		_, err := ParseSecure(other)
		require.ErrorIs(t, err, ErrMalformed)
	}
	b[0], b[1] = 0x80, 5 // a Shutdown
	require.False(t, IsSecure(b))
}

func TestTLVs(t *testing.T) {
	b := AppendCrypto(nil, 0x010203, []byte("data"))
	b = AppendTLV(b, TLVPad, make([]byte, 5))
	b = AppendAck(b, LevelSealed, 0x040506)
	b = AppendTLV(b, 0x80, []byte("whatever"))
	b = AppendClose(b, 0x01020304, "reason")
	b = AppendTLV(b, TLVContest, make([]byte, ContestLen))
	var tlvs [MaxSecureTLVs]TLV
	n, err := ParseTLVs(&tlvs, b)
	require.NoError(t, err)
	require.Equal(t, []TLV{
		{Type: TLVCrypto, Offset: 0x010203, Data: []byte("data")},
		{Type: TLVAck, Level: LevelSealed, Offset: 0x040506},
		{Type: TLVClose, Code: 0x01020304, Data: []byte("reason")},
		{Type: TLVContest, Data: make([]byte, ContestLen)},
	}, tlvs[:n])

	long := AppendClose(nil, 1, string(make([]byte, 2*MaxCloseReason)))
	require.Len(t, long, TLVHeaderLen+4+MaxCloseReason)

	for name, b := range map[string][]byte{
		"cut header": {5, 0}, "cut value": {5, 0, 1}, "longest": {5, 0xFF, 0xFF},
		"unknown": {0x7F, 0, 0}, "zero": {0, 0, 0}, "too many": bytes.Repeat([]byte{5, 0, 0}, MaxSecureTLVs+1),
		"reserved": AppendTLV(nil, TLVGeneration, make([]byte, 36)), "empty crypto": AppendCrypto(nil, 1, nil),
		"short contest": AppendTLV(nil, TLVContest, make([]byte, ContestLen-1)),
	} {
		_, err := ParseTLVs(&tlvs, b)
		require.ErrorIs(t, err, ErrMalformed, name)
	}
	n, err = ParseTLVs(&tlvs, bytes.Repeat([]byte{5, 0, 0}, MaxSecureTLVs))
	require.NoError(t, err)
	require.Zero(t, n)
}

// FuzzTLV decodes any bytes as TLVs; what it decodes is the same again when
// encoded.
func FuzzTLV(f *testing.F) {
	f.Add(AppendCrypto(nil, 5, []byte("data")))
	f.Add(AppendAck(AppendTLV(nil, TLVPad, make([]byte, 5)), LevelSealed, 9))
	f.Add(AppendClose(nil, 1, "reason"))
	f.Add(AppendTLV(AppendTLV(nil, TLVContest, make([]byte, ContestLen)), 0xFF, nil))
	f.Add(bytes.Repeat([]byte{5, 0, 0}, MaxSecureTLVs+1))
	f.Fuzz(func(t *testing.T, b []byte) {
		var tlvs, again [MaxSecureTLVs]TLV
		n, err := ParseTLVs(&tlvs, b)
		if err != nil {
			require.Zero(t, n)
			return
		}
		var p []byte
		for _, v := range tlvs[:n] {
			switch v.Type {
			case TLVCrypto:
				p = AppendCrypto(p, v.Offset, v.Data)
			case TLVAck:
				p = AppendAck(p, v.Level, v.Offset)
			case TLVClose:
				p = AppendClose(p, v.Code, string(v.Data))
			default:
				p = AppendTLV(p, v.Type, v.Data)
			}
		}
		require.LessOrEqual(t, len(p), len(b))
		m, err := ParseTLVs(&again, p)
		require.NoError(t, err)
		require.Equal(t, tlvs[:n], again[:m])
	})
}
