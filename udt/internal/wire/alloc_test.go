package wire

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// Results are kept here, so that nothing measured is optimized away.
var sink struct {
	data      Data
	control   Control
	ack       Ack
	handshake Handshake
	shutdown  Shutdown
	number    int64
	first     uint32
	last      uint32
	err       error
	ok        bool
}

func TestCodecAllocatesNothing(t *testing.T) {
	b := make([]byte, 0, 256)
	fixed := b[:HandshakeLen]
	ack := fullAck(AckExtended)
	ackBody := ack.Append(nil)
	list := words(1, 1<<31|3, 9, 1<<31|20)
	addr := netip.MustParseAddr("2001:db8::1")
	for name, f := range map[string]func(){
		"data": func() {
			sink.data.Put(fixed)
			sink.data = ParseData(fixed)
		},
		"control": func() {
			sink.control.Put(fixed)
			sink.control = ParseControl(fixed)
		},
		"numbers": func() {
			sink.number = Unwrap(sink.number, Number(sink.number+1))
			sink.number = Unwrap32(sink.number, uint32(sink.number))
		},
		"handshake": func() {
			sink.handshake.SetPeerIP(addr)
			sink.handshake.Put(fixed)
			sink.handshake, sink.err = ParseHandshake(fixed)
		},
		"ack": func() {
			b = ack.Append(b[:0])
			sink.ack, sink.err = ParseAck(ackBody)
		},
		"malformed ack": func() { sink.ack, sink.err = ParseAck(ackBody[:5]) },
		"ranges": func() {
			b = AppendRange(AppendRange(b[:0], 5, 5), 7, 9)
			r := ParseRanges(list)
			for sink.ok = true; sink.ok; {
				sink.first, sink.last, sink.ok = r.Next()
			}
		},
		"shutdown": func() {
			sink.shutdown.Put(fixed)
			sink.shutdown, sink.ok = ParseShutdown(fixed)
		},
		"drop request": func() {
			PutDropRequest(fixed, 5, 9)
			sink.first, sink.last, sink.err = ParseDropRequest(fixed)
		},
	} {
		require.Zero(t, testing.AllocsPerRun(100, f), name)
	}
}
