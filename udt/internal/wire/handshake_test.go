package wire

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHandshakeFields(t *testing.T) {
	h := Handshake{
		Version: 1, Type: 2, Number: 3, MSS: 4, FlowWindow: 5, Request: -6, SocketID: 7, Cookie: 8,
		PeerIP: [16]byte{9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24},
	}
	want := append(words(1, 2, 3, 4, 5, 0xFFFFFFFA, 7, 8), h.PeerIP[:]...)
	b := make([]byte, HandshakeLen+3)
	h.Put(b)
	require.Equal(t, append(want, 0, 0, 0), b)

	got, err := ParseHandshake(b)
	require.NoError(t, err, "a longer body is read")
	require.Equal(t, h, got)
}

func TestShortHandshakeIsMalformed(t *testing.T) {
	b := make([]byte, HandshakeLen)
	for n := range b {
		_, err := ParseHandshake(b[:n])
		require.ErrorIs(t, err, ErrMalformed, "%d bytes", n)
	}
	_, err := ParseHandshake(b)
	require.NoError(t, err)
}

func TestRequestsOnTheWire(t *testing.T) {
	for r, want := range map[Request]uint32{
		RequestInduction:  1,
		RequestRendezvous: 0,
		RequestConclusion: 0xFFFFFFFF,
		RequestConfirm:    0xFFFFFFFE,
		RequestRefused:    1002,
	} {
		b := make([]byte, HandshakeLen)
		(&Handshake{Request: r}).Put(b)
		require.Equal(t, words(want), b[20:24])
		h, err := ParseHandshake(b)
		require.NoError(t, err)
		require.Equal(t, r, h.Request)
	}
}

func TestPeerIP(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1":                        "0100007f 00000000 00000000 00000000",
		"192.168.10.20":                    "140aa8c0 00000000 00000000 00000000",
		"::ffff:192.0.2.1":                 "010200c0 00000000 00000000 00000000",
		"::1":                              "00000000 00000000 00000000 01000000",
		"fe80::1%eth0":                     "000080fe 00000000 00000000 01000000",
		"2001:db8:102:304:506:708:90a:b0c": "b80d0120 04030201 08070605 0c0b0a09",
	} {
		h := Handshake{PeerIP: [16]byte{15: 0xFF}} // of an earlier packet
		h.SetPeerIP(netip.MustParseAddr(addr))
		require.Equal(t, unhex(t, want), h.PeerIP[:], addr)
	}
}

func TestPeerIPOfNoAddressIsZero(t *testing.T) {
	h := Handshake{PeerIP: [16]byte{1, 2, 3}}
	h.SetPeerIP(netip.Addr{})
	require.Zero(t, h.PeerIP)
}

func TestMarkersOnTheWire(t *testing.T) {
	for m, want := range map[Marker]string{
		MarkerClient | CapExtendedAck:     "ugC\x01",
		MarkerServer:                      "ugS\x00",
		MarkerRendezvous | CapExtendedAck: "ugR\x01",
	} {
		b := make([]byte, HeaderLen)
		(&Control{Type: TypeHandshake, Info: uint32(m)}).Put(b)
		require.Equal(t, want, string(b[4:8]))
		require.Equal(t, m, Marker(ParseControl(b).Info))
	}
}

func TestMarkerIgnoresUnknownCapabilities(t *testing.T) {
	kinds := []Marker{MarkerClient, MarkerServer, MarkerRendezvous}
	for i, m := range kinds {
		for j, k := range kinds {
			for _, caps := range []Marker{0, CapExtendedAck, 0xFE, 0xFF} {
				require.Equal(t, i == j, (m | caps).Is(k), "%x is %x", m|caps, k)
				require.Equal(t, caps&1 != 0, (m | caps).ExtendedAck(), "%x", m|caps)
			}
		}
	}
}

// A legacy peer sends 0, or whatever was in the word.
func TestOtherInformationIsNoMarker(t *testing.T) {
	for _, m := range []Marker{0, 1, 0xFFFFFFFF, 'u'<<24 | 'g'<<16 | 'X'<<8 | 1, 'U'<<24 | 'G'<<16 | 'C'<<8} {
		require.False(t, m.Is(MarkerClient), "%x", m)
		require.False(t, m.Is(MarkerServer), "%x", m)
		require.False(t, m.Is(MarkerRendezvous), "%x", m)
	}
}
