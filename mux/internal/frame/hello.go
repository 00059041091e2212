package frame

// Magic begins the content of a Hello, so that a peer that speaks another protocol is
// recognised.
const Magic = "udtmux"

// Version is the version of the protocol.
const Version = 1

// Numbers of settings. Unknown ones are ignored.
const (
	settingStreamWindow  = 1
	settingSessionWindow = 2
	settingStreams       = 3
	settingUniStreams    = 4
)

// A Greeting is the content of a Hello frame. The limits are those of the side
// that sends it; they count as MaxStreamData of every stream, MaxData, MaxStreams
// and MaxUniStreams.
type Greeting struct {
	Version       uint64
	Server        bool // the sender's role
	Messages      bool // the carrier keeps message boundaries
	StreamWindow  uint64
	SessionWindow uint64
	Streams       uint64
	UniStreams    uint64
}

// AppendHello appends a Hello frame.
func AppendHello(b []byte, g Greeting) []byte {
	body := append(make([]byte, 0, 64), Magic...)
	body = AppendVarint(body, g.Version)
	body = append(body, flag(g.Server), flag(g.Messages))
	for _, s := range [...]struct{ id, value uint64 }{
		{settingStreamWindow, g.StreamWindow},
		{settingSessionWindow, g.SessionWindow},
		{settingStreams, g.Streams},
		{settingUniStreams, g.UniStreams},
	} {
		body = AppendVarint(body, s.id)
		body = AppendVarint(body, s.value)
	}
	return Append(b, Frame{Type: Hello, Data: body})
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// ParseHello decodes the content of a Hello frame. A setting that is missing is
// zero; of one that comes twice the last counts.
func ParseHello(b []byte) (g Greeting, err error) {
	d := decoder{b: b}
	if magic := d.bytes(uint64(len(Magic))); string(magic) != Magic {
		return Greeting{}, ErrFormat
	}
	g.Version = d.varint()
	role, carrier := d.varint(), d.varint()
	if d.bad || role > 1 || carrier > 1 {
		return Greeting{}, ErrFormat
	}
	g.Server, g.Messages = role == 1, carrier == 1
	for len(d.b) > 0 {
		id, value := d.varint(), d.varint()
		if d.bad {
			return Greeting{}, ErrFormat
		}
		switch id {
		case settingStreamWindow:
			g.StreamWindow = value
		case settingSessionWindow:
			g.SessionWindow = value
		case settingStreams:
			g.Streams = value
		case settingUniStreams:
			g.UniStreams = value
		}
	}
	return g, nil
}
