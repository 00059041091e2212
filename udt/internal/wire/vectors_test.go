package wire

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A vector is one packet of testdata/udt4-vectors.json, most of them captured
// from libudt 4.11. Its fields are what the packet must decode to, and what it
// must be encoded from.
type vector struct {
	Name        string       `json:"name"`
	Description string       `json:"description"`
	Origin      string       `json:"origin"`
	Session     string       `json:"session"`
	Hex         string       `json:"hex"`
	Fields      vectorFields `json:"fields"`
}

type vectorFields struct {
	Kind string `json:"kind"`
	Dest uint32 `json:"dst_socket_id"`
	Time uint32 `json:"timestamp"`

	// Data packets.
	Number     uint32 `json:"seq"`
	FF         string `json:"ff"`
	InOrder    int    `json:"in_order"`
	Message    uint32 `json:"msg_no"`
	PayloadLen int    `json:"payload_len"`

	// Control packets.
	Type     Type   `json:"type"`
	TypeName string `json:"type_name"`
	Reserved uint16 `json:"reserved16"`
	Info     uint32 `json:"additional_info"`
	BodyLen  int    `json:"body_len"`

	// Their bodies.
	Handshake *vectorHandshake `json:"handshake"`
	Ack       *vectorAck       `json:"ack"`
	Form      string           `json:"form"`
	Losses    []span           `json:"loss_ranges_inclusive"`
	First     *uint32          `json:"first_seq"`
	Last      *uint32          `json:"last_seq"`
	Body      *string          `json:"body_hex"`

	// The cookie.
	CookieOf string `json:"md5_input"`
	MD5      string `json:"md5"`
	Cookie   string `json:"cookie"`
}

type vectorHandshake struct {
	Version    uint32     `json:"version"`
	Type       SocketType `json:"socket_type"`
	Number     uint32     `json:"isn"`
	MSS        uint32     `json:"mss"`
	FlowWindow uint32     `json:"flow_window"`
	Request    Request    `json:"req_type"`
	SocketID   uint32     `json:"socket_id"`
	Cookie     string     `json:"cookie"`
	PeerIP     string     `json:"peer_ip_raw"`
}

type vectorAck struct {
	Next     uint32 `json:"ack_seq"`
	RTT      uint32 `json:"rtt_us"`
	RTTVar   uint32 `json:"rtt_var_us"`
	Window   uint32 `json:"avail_buf_pkts"`
	RecvRate uint32 `json:"recv_rate_pps"`
	Capacity uint32 `json:"link_capacity_pps"`
}

func vectors(t testing.TB) []vector {
	t.Helper()
	file, err := os.ReadFile("testdata/udt4-vectors.json")
	require.NoError(t, err)
	d := json.NewDecoder(bytes.NewReader(file))
	d.DisallowUnknownFields() // a field that is not known here is not checked here
	var list []vector
	require.NoError(t, d.Decode(&list))
	require.Len(t, list, 34)
	return list
}

// The packets that SPEC.md#vectors shows are those of the test data.
func TestVectorsOfTheDocument(t *testing.T) {
	text, err := os.ReadFile("SPEC.md")
	require.NoError(t, err)
	_, block, found := strings.Cut(string(text), "```vectors\n")
	require.True(t, found)
	block, _, found = strings.Cut(block, "```")
	require.True(t, found)
	require.NotEmpty(t, block)
	want := make(map[string]string)
	for _, v := range vectors(t) {
		want[v.Name] = v.Hex
	}
	for line := range strings.Lines(block) {
		words := strings.Fields(line)
		require.Greater(t, len(words), 1, line)
		require.Equal(t, want[words[0]], strings.Join(words[1:], ""), words[0])
	}
}

func TestVectors(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			packet := unhex(t, v.Hex)
			switch v.Fields.Kind {
			case "data":
				checkDataVector(t, packet, &v.Fields)
			case "control":
				checkControlVector(t, packet, &v.Fields)
			case "cookie":
				checkCookieVector(t, packet, &v.Fields)
			default:
				t.Fatalf("unknown kind %q", v.Fields.Kind)
			}
		})
	}
}

func checkDataVector(t *testing.T, packet []byte, f *vectorFields) {
	boundary, err := strconv.ParseUint(f.FF, 2, 2)
	require.NoError(t, err)
	want := Data{
		Number:   f.Number,
		Boundary: Boundary(boundary),
		Ordered:  f.InOrder == 1,
		Message:  f.Message,
		Time:     f.Time,
		Dest:     f.Dest,
	}
	require.False(t, IsControl(packet))
	require.Equal(t, f.Dest, Dest(packet))
	require.Equal(t, want, ParseData(packet))
	require.Len(t, packet, HeaderLen+f.PayloadLen)

	var header [HeaderLen]byte
	want.Put(header[:])
	require.Equal(t, packet[:HeaderLen], header[:])
}

func checkControlVector(t *testing.T, packet []byte, f *vectorFields) {
	want := Control{Type: f.Type, Ext: f.Reserved, Info: f.Info, Time: f.Time, Dest: f.Dest}
	require.True(t, IsControl(packet))
	require.Equal(t, f.Dest, Dest(packet))
	require.Equal(t, want, ParseControl(packet))
	require.Equal(t, vectorTypes[f.TypeName], f.Type)
	body := packet[HeaderLen:]
	require.Len(t, body, f.BodyLen)

	encoded := make([]byte, HeaderLen)
	want.Put(encoded)
	encoded = append(encoded, controlVectorBody(t, body, f)...)
	require.Equal(t, packet, encoded)
}

var vectorTypes = map[string]Type{
	"handshake": TypeHandshake, "keepalive": TypeKeepAlive, "ack": TypeAck, "nak": TypeNak,
	"shutdown": TypeShutdown, "ack2": TypeAck2, "msg_drop_request": TypeDropRequest,
	"error_signal": TypeError, "user_defined": TypeUser,
}

// controlVectorBody checks what body decodes to, and returns what the fields are
// encoded as.
func controlVectorBody(t *testing.T, body []byte, f *vectorFields) []byte {
	switch f.Type {
	case TypeHandshake:
		want := f.Handshake.decoded(t)
		got, err := ParseHandshake(body)
		require.NoError(t, err)
		require.Equal(t, want, got)
		encoded := make([]byte, HandshakeLen)
		want.Put(encoded)
		return encoded
	case TypeAck:
		want := Ack{
			Form: map[string]AckForm{"light": AckLight, "short-full": AckShort, "full": AckFull}[f.Form],
			Next: f.Ack.Next, RTT: f.Ack.RTT, RTTVar: f.Ack.RTTVar, Window: f.Ack.Window,
			RecvRate: f.Ack.RecvRate, Capacity: f.Ack.Capacity,
		}
		got, err := ParseAck(body)
		require.NoError(t, err)
		require.Equal(t, want, got)
		return want.Append(nil)
	case TypeNak:
		require.Equal(t, f.Losses, spans(body))
		var encoded []byte
		for _, l := range f.Losses {
			first := int64(l[0])
			encoded = AppendRange(encoded, first, Unwrap(first, l[1]))
		}
		return encoded
	case TypeDropRequest:
		first, last, err := ParseDropRequest(body)
		require.NoError(t, err)
		require.Equal(t, span{*f.First, *f.Last}, span{first, last})
		encoded := make([]byte, DropRequestLen)
		PutDropRequest(encoded, int64(*f.First), int64(*f.Last))
		return encoded
	case TypeUser:
		return unhex(t, *f.Body)
	default:
		if f.Type == TypeShutdown {
			_, ok := ParseShutdown(body)
			require.False(t, ok, "the reference's carries nothing")
		}
		if f.Type == TypeError {
			require.EqualValues(t, ErrorFileWrite, f.Info)
		}
		require.Equal(t, *f.Body, hex.EncodeToString(body))
		return make([]byte, PadLen)
	}
}

func (v *vectorHandshake) decoded(t *testing.T) Handshake {
	h := Handshake{
		Version:    v.Version,
		Type:       v.Type,
		Number:     v.Number,
		MSS:        v.MSS,
		FlowWindow: v.FlowWindow,
		Request:    v.Request,
		SocketID:   v.SocketID,
		Cookie:     parseCookie(t, v.Cookie),
	}
	require.Equal(t, len(h.PeerIP), copy(h.PeerIP[:], unhex(t, v.PeerIP)))
	return h
}

func parseCookie(t *testing.T, s string) uint32 {
	cookie, err := strconv.ParseUint(s, 0, 32)
	require.NoError(t, err)
	return uint32(cookie)
}

// The cookie is opaque to us; its vector shows in which order its bytes travel.
func checkCookieVector(t *testing.T, wire []byte, f *vectorFields) {
	sum := md5.Sum([]byte(f.CookieOf))
	require.Equal(t, f.MD5, hex.EncodeToString(sum[:]))
	h := Handshake{Cookie: parseCookie(t, f.Cookie)}
	require.Equal(t, binary.LittleEndian.Uint32(sum[:]), h.Cookie)
	body := make([]byte, HandshakeLen)
	h.Put(body)
	require.Equal(t, wire, body[28:32])
	got, err := ParseHandshake(body)
	require.NoError(t, err)
	require.Equal(t, h, got)
}
