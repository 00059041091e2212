package proto

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/mux/internal/frame"
)

// A hostile peer can end the session, and nothing else: the session does not panic, and
// what it holds stays within its limits. The function is long because the input is a
// list of operations, one case each.
func FuzzSession(f *testing.F) {
	f.Add([]byte("\x00\x08\x12\x01\x03abc\x01\x02\x03"))
	var all []byte
	for _, fr := range []frame.Frame{
		data(1, 0, "abc"), fin(1, 3), reset(5, 1, 100), stop(1, 2), maxStreamData(1, 1<<20),
		{Type: frame.Priority, Stream: 1, Value: 1}, {Type: frame.GoAway}, {Type: frame.Ping},
	} {
		b := frame.Append(nil, fr)
		all = append(append(all, 0, byte(len(b))), b...)
		all = append(all, 1, 2, 3, 4)
	}
	f.Add(all)
	f.Fuzz(func(t *testing.T, script []byte) {
		c := testConfig()
		now := time.Unix(1000, 0)
		s := New(c, now)
		var streams []*Stream
		next := func() int {
			if len(script) == 0 {
				return 0
			}
			b := script[0]
			script = script[1:]
			return int(b)
		}
		out := make([]byte, 1456)
		for len(script) > 0 {
			op := next()
			if op == 0 {
				n := min(next(), len(script))
				err := s.HandlePacket(now, script[:n])
				script = script[n:]
				var pe *ProtocolError
				if errors.As(err, &pe) {
					s.Close(err, pe.Code, pe.Reason)
				} else if err != nil {
					s.Fail(err)
				}
				continue
			}
			var st *Stream
			if len(streams) > 0 {
				st = streams[op>>4%len(streams)]
			}
			switch op & 15 {
			case 1:
				if st := s.Accept(); st != nil {
					streams = append(streams, st)
				}
			case 2:
				if st, _ := s.Open(Kind(op >> 4 & 1)); st != nil {
					streams = append(streams, st)
				}
			case 3:
				require.LessOrEqual(t, s.Pack(now, out), len(out))
			case 4:
				now = now.Add(time.Duration(op) * time.Millisecond)
				_ = s.Advance(now)
				s.TakeWoken()
				s.TakeEvents()
			}
			if st == nil {
				continue
			}
			switch op & 15 {
			case 5:
				if st.Left() == 0 {
					_ = st.Offer(make([]byte, 100*next()+1))
				}
			case 6:
				st.Withdraw()
			case 7:
				_, _ = st.Read(now, make([]byte, 10*next()+1))
			case 8:
				_ = st.CloseWrite()
			case 9:
				_ = st.CloseRead(1)
			case 10:
				_ = st.Reset(1)
			case 11:
				st.SetPriority(uint8(next()&7), op>>4&1 == 0)
			}
		}
		var held int64
		for _, st := range s.streams {
			held += st.recv.highest - st.recv.buf.start
			require.LessOrEqual(t, int64(len(st.recv.buf.held)), (st.recv.limit-st.recv.buf.start)/chunkSize+2)
		}
		require.Equal(t, s.received-s.done, held)
		require.LessOrEqual(t, held, c.SessionWindow)
		require.LessOrEqual(t, len(s.waiting), int(2*max(c.Backlog, EarlyStreams)))
	})
}
