package udt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
)

var (
	messages       = &udt.Config{Mode: udt.ModeMessage}
	legacyMessages = &udt.Config{Mode: udt.ModeMessage, DisableExtensions: true}
)

// isData reports whether a datagram is a data packet.
func isData(b []byte) bool { return len(b) >= 16 && b[0]&0x80 == 0 }

// dropData loses the data packets from addrA that want asks for; it is given
// their number, counted from zero in order of sending.
func dropData(want func(n int) bool) simnet.Filter {
	n := 0
	return func(b []byte, from, _ netip.AddrPort) simnet.Verdict {
		if from != addrA || !isData(b) {
			return simnet.Pass
		}
		n++
		if want(n - 1) {
			return simnet.Drop
		}
		return simnet.Pass
	}
}

func first(n int) bool { return n == 0 }

// readAll reads messages until the end of the connection.
func readAll(c *udt.Conn) (texts []string, err error) {
	b := make([]byte, 1<<20)
	for {
		n, err := c.ReadMessage(b)
		if err != nil {
			return texts, err
		}
		texts = append(texts, string(b[:n]))
	}
}

// Write and Read carry one message each, whatever its size; ReadMessage and
// WriteMessage are the same with options.
func TestMessagesKeepTheirBoundaries(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		a, b := l.pair(messages, messages)
		require.Equal(l, udt.ModeMessage, a.Mode())
		buf := make([]byte, 1<<20)
		for i, size := range []int{1, 1455, 1456, 1457, 100_000} {
			message := make([]byte, size)
			fillContent(message, i)
			n, err := a.Write(message)
			require.NoError(l, err)
			require.Equal(l, size, n)
			n, err = b.Read(buf)
			require.NoError(l, err)
			require.True(l, bytes.Equal(message, buf[:n]))

			n, err = b.WriteBuffers([][]byte{message[:size/3], nil, message[size/3:]})
			require.NoError(l, err)
			require.Equal(l, size, n)
			n, err = a.ReadMessage(buf)
			require.NoError(l, err)
			require.True(l, bytes.Equal(message, buf[:n]))
		}
	})
}

// An empty message is none: it is accepted and nothing arrives.
func TestEmptyMessagesAreNotSent(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		a, b := l.pair(messages, messages)
		n, err := a.Write(nil)
		require.NoError(l, err)
		require.Zero(l, n)
		require.NoError(l, a.WriteMessage([]byte{}, udt.MessageOptions{Unordered: true}))
		require.NoError(l, a.Close())
		texts, err := readAll(b)
		require.Empty(l, texts)
		require.Equal(l, io.EOF, err)
	})
}

// A buffer that is too short gets the start of the message; the rest is gone.
func TestShortBufferLosesTheRestOfOneMessage(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		a, b := l.pair(messages, messages)
		_, err := a.WriteMessages([][]byte{[]byte("0123456789"), make([]byte, 5000), []byte("next")}, udt.MessageOptions{})
		require.NoError(l, err)
		buf := make([]byte, 4)
		n, err := b.ReadMessage(buf)
		require.Equal(l, io.ErrShortBuffer, err, "bare, as callers compare it")
		require.Equal(l, "0123", string(buf[:n]))
		n, err = b.Read(buf)
		require.Equal(l, io.ErrShortBuffer, err)
		require.Equal(l, 4, n)
		n, err = b.ReadMessage(buf)
		require.NoError(l, err)
		require.Equal(l, "next", string(buf[:n]))
	})
}

// MaxMessage is exact: that much is delivered, one byte more is
// ErrMessageTooLong. It follows the smaller of the send buffer and the peer's
// window.
func TestMaxMessage(t *testing.T) {
	small := &udt.Config{Mode: udt.ModeMessage, SendBuffer: 64 << 10, RecvBuffer: 64 << 10}
	for name, c := range map[string][2]*udt.Config{
		"default":           {messages, messages},
		"small send buffer": {small, messages},
		"small peer window": {messages, small},
		"legacy":            {legacyMessages, small},
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, wan, func(l *lab) {
				a, b := l.pair(c[0], c[1])
				size := a.MaxMessage()
				require.Greater(l, size, 32<<10)
				if c[0].SendBuffer != 0 {
					require.LessOrEqual(l, size, c[0].SendBuffer)
				}
				err := a.WriteMessage(make([]byte, size+1), udt.MessageOptions{Unordered: true})
				require.ErrorIs(l, err, udt.ErrMessageTooLong)
				require.ErrorIs(l, err, syscall.EMSGSIZE)
				n, err := a.WriteMessages([][]byte{[]byte("x"), make([]byte, size+1), []byte("y")}, udt.MessageOptions{Unordered: true})
				require.ErrorIs(l, err, udt.ErrMessageTooLong)
				require.Equal(l, 1, n, "the messages before it are sent")
				message := make([]byte, size)
				fillContent(message, 3)
				require.NoError(l, a.WriteMessage(message, udt.MessageOptions{}))
				buf := make([]byte, size)
				n, err = b.ReadMessage(buf)
				require.NoError(l, err)
				require.Equal(l, 1, n)
				b.SetReadDeadline(time.Now().Add(10 * time.Second))
				n, err = b.ReadMessage(buf)
				require.NoError(l, err, "%d bytes; %+v", size, b.Stats())
				require.True(l, bytes.Equal(message, buf[:n]))
			})
		})
	}
}

// WriteMessages accepts whole messages until the deadline and says how many.
func TestWriteMessagesCountsWhatItAccepted(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		small := &udt.Config{Mode: udt.ModeMessage, SendBuffer: 64 << 10, RecvBuffer: 64 << 10}
		a, b := l.pair(small, small)
		v := make([][]byte, 100)
		for i := range v {
			v[i] = make([]byte, 4000+i)
		}
		start := time.Now()
		a.SetWriteDeadline(start.Add(time.Second))
		accepted, err := a.WriteMessages(v, udt.MessageOptions{})
		require.ErrorIs(l, err, os.ErrDeadlineExceeded)
		l.requireTook(start, time.Second, time.Second, "WriteMessages")
		require.Greater(l, accepted, 10)
		require.Less(l, accepted, 100)
		got := make(chan []string)
		go func() {
			texts, _ := readAll(b)
			got <- texts
		}()
		require.NoError(l, a.Close())
		texts := <-got
		require.Len(l, texts, accepted)
		for i, text := range texts {
			require.Len(l, text, 4000+i)
		}
	})
}

// ReadMessages lends payloads that stay as they are until they are released,
// whatever else the connection does, even when it is over.
func TestLentMessagesStayUntilReleased(t *testing.T) {
	for _, config := range []*udt.Config{messages, legacyMessages} {
		inLab(t, simnet.Link{Delay: 5 * time.Millisecond, Loss: 0.03}, func(l *lab) {
			a, b := l.pair(config, config)
			const count = 300
			done := make(chan error, 1)
			go func() {
				for i := 0; i < count; {
					var v [][]byte
					for ; i < count && len(v) < 7; i++ {
						m := make([]byte, 1+i*13%4000)
						fillContent(m, i)
						v = append(v, m)
					}
					if _, err := a.WriteMessages(v, udt.MessageOptions{}); err != nil {
						done <- err
						return
					}
					for _, m := range v {
						clear(m) // the arguments may be reused
					}
				}
				done <- a.Close()
			}()
			var held []udt.Message
			v := make([]udt.Message, 5)
			for got := 0; ; {
				n, err := b.ReadMessages(v)
				if err != nil {
					require.Equal(l, io.EOF, err)
					require.Equal(l, count, got)
					break
				}
				require.LessOrEqual(l, n, len(v))
				for i := range n {
					require.Len(l, v[i].Payload, 1+got*13%4000)
					got++
					if got%2 == 0 {
						v[i].Release()
						require.Nil(l, v[i].Payload)
						continue
					}
					held = append(held, v[i])
				}
			}
			require.NoError(l, <-done)
			require.NoError(l, b.Close())
			for i := range held {
				require.True(l, checkContent(held[i].Payload, 2*i), "message %d", 2*i)
				held[i].Release()
				held[i].Release() // of the zero Message does nothing
			}
			n, err := b.ReadMessages(nil)
			require.Zero(l, n)
			require.NoError(l, err)
		})
	}
}

// A message whose time to live ends before it can be sent is dropped; those
// after it arrive.
func TestExpiredMessagesAreDroppedAndLaterOnesArrive(t *testing.T) {
	for _, config := range []udt.Config{*messages, *legacyMessages} {
		inLab(t, wan, func(l *lab) {
			config.MaxBandwidth = 100_000
			a, b := l.pair(&config, &config)
			// Half a second's worth, then messages that live for a tenth.
			require.NoError(l, a.WriteMessage(make([]byte, 50_000), udt.MessageOptions{}))
			for range 5 {
				require.NoError(l, a.WriteMessage(make([]byte, 3000), udt.MessageOptions{TTL: 100 * time.Millisecond}))
			}
			require.NoError(l, a.WriteMessage([]byte("long-lived"), udt.MessageOptions{TTL: time.Hour}))
			require.NoError(l, a.WriteMessage([]byte("last"), udt.MessageOptions{}))
			go a.Close()
			texts, err := readAll(b)
			require.Equal(l, io.EOF, err)
			require.Len(l, texts, 3)
			require.Len(l, texts[0], 50_000)
			require.Equal(l, []string{"long-lived", "last"}, texts[1:])
			require.EqualValues(l, 5, a.Stats().MessagesExpired)
		})
	}
}

// Under loss, messages with a time to live arrive once and in order or not at
// all, and never hold up those that live for ever.
func TestTimeToLiveUnderLoss(t *testing.T) {
	for _, config := range []*udt.Config{messages, legacyMessages} {
		inLab(t, simnet.Link{Delay: 20 * time.Millisecond, Loss: 0.15}, func(l *lab) {
			a, b := l.pair(config, config)
			const count = 300
			done := make(chan error, 1)
			go func() {
				for i := range count {
					o := udt.MessageOptions{}
					if i%3 != 0 {
						o.TTL = 30 * time.Millisecond
					}
					m := bytes.Repeat(fmt.Appendf(nil, "%5d", i), 500)
					if err := a.WriteMessage(m, o); err != nil {
						done <- err
						return
					}
					time.Sleep(2 * time.Millisecond)
				}
				done <- a.CloseContext(context.Background())
			}()
			texts, err := readAll(b)
			require.Equal(l, io.EOF, err)
			require.NoError(l, <-done)
			last, forever := -1, 0
			for _, text := range texts {
				require.Len(l, text, 2500)
				var i int
				_, err := fmt.Sscanf(text[:5], "%d", &i)
				require.NoError(l, err)
				require.Greater(l, i, last, "in order and once")
				last = i
				if i%3 == 0 {
					forever++
				}
			}
			require.Equal(l, count/3, forever, "none of those without a time to live is lost")
			expired := a.Stats().MessagesExpired
			require.NotZero(l, expired)
			require.GreaterOrEqual(l, uint64(len(texts))+expired, uint64(count))
		})
	}
}

// A message is accepted or refused by its options at once.
func TestNegativeTimeToLive(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		a, _ := l.pair(messages, messages)
		err := a.WriteMessage([]byte("x"), udt.MessageOptions{Unordered: true, TTL: -1})
		require.ErrorIs(l, err, udt.ErrConfig)
	})
}

// An unordered message is delivered ahead of earlier ones that are incomplete;
// an ordered one waits for them.
func TestUnorderedMessagesOvertakeAGap(t *testing.T) {
	for _, config := range []*udt.Config{messages, legacyMessages} {
		for _, ordered := range []bool{false, true} {
			inLab(t, wan, func(l *lab) {
				a, b := l.pair(config, config)
				time.Sleep(time.Second) // the handshake is over on both sides
				l.net.SetFilter(dropData(first))
				start := time.Now()
				for _, text := range []string{"one", "two", "three"} {
					require.NoError(l, a.WriteMessage([]byte(text), udt.MessageOptions{Unordered: !ordered}))
				}
				var order []string
				buf := make([]byte, 10)
				for range 3 {
					n, err := b.ReadMessage(buf)
					require.NoError(l, err)
					order = append(order, string(buf[:n]))
					if !ordered && len(order) <= 2 {
						l.requireTook(start, 10*time.Millisecond, 11*time.Millisecond, "a message behind the gap")
					}
				}
				if ordered {
					require.Equal(l, []string{"one", "two", "three"}, order)
				} else {
					require.Equal(l, []string{"two", "three", "one"}, order)
				}
				l.requireTook(start, 30*time.Millisecond, 300*time.Millisecond, "the repair")
			})
		}
	}
}

// In stream mode the methods for messages fail with ErrMode and change nothing.
func TestMessageMethodsInStreamMode(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		a, b := l.pair(nil, nil)
		require.ErrorIs(l, a.WriteMessage([]byte("x"), udt.MessageOptions{Unordered: true}), udt.ErrMode)
		n, err := a.WriteMessages([][]byte{[]byte("x")}, udt.MessageOptions{Unordered: true})
		require.ErrorIs(l, err, udt.ErrMode)
		require.Zero(l, n)
		_, err = a.FillMessages(func([][]byte) int { panic("called") }, udt.MessageOptions{Unordered: true})
		require.ErrorIs(l, err, udt.ErrMode)
		_, err = b.ReadMessage(make([]byte, 10))
		require.ErrorIs(l, err, udt.ErrMode)
		_, err = b.ReadMessages(make([]udt.Message, 1))
		require.ErrorIs(l, err, udt.ErrMode)
		_, err = a.Write([]byte("stream"))
		require.NoError(l, err)
		buf := make([]byte, 10)
		n, err = io.ReadFull(b, buf[:6])
		require.NoError(l, err)
		require.Equal(l, "stream", string(buf[:n]))
	})
}

// A dial in the wrong mode is refused at once, with an error that says why; the
// listener is not disturbed.
func TestWrongModeIsRefusedAtOnce(t *testing.T) {
	for _, mode := range []udt.Mode{udt.ModeStream, udt.ModeMessage} {
		inLab(t, wan, func(l *lab) {
			listener := l.listen(addrB, &udt.Config{Mode: mode})
			e := l.endpoint(addrA)
			start := time.Now()
			_, err := e.DialContext(context.Background(), "udt", addrB.String(), &udt.Config{Mode: 1 - mode})
			require.ErrorIs(l, err, udt.ErrRefused)
			require.ErrorIs(l, err, syscall.ECONNREFUSED)
			require.ErrorIs(l, err, udt.ErrMode)
			l.requireTook(start, 40*time.Millisecond, 40*time.Millisecond, "the refusal")
			require.EqualValues(l, 1, listener.Endpoint().Stats().HandshakesRefused)
			require.Zero(l, listener.Endpoint().Stats().Connections)
			l.dial(e, &udt.Config{Mode: mode}, listener)
		})
	}
}

// Both sides of a rendezvous in different modes learn it.
func TestRendezvousInDifferentModes(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		errs := make(chan error, 2)
		for i, a := range []netip.AddrPort{addrA, addrB} {
			e := l.endpoint(a)
			go func() {
				d := udt.Dialer{Rendezvous: true, Endpoint: e, Config: &udt.Config{Mode: udt.Mode(i)}}
				_, err := d.DialUDT(context.Background(), "udt", netip.AddrPort{}, []netip.AddrPort{addrB, addrA}[i])
				errs <- err
			}()
		}
		start := time.Now()
		for range 2 {
			err := <-errs
			require.True(l, errors.Is(err, udt.ErrMode), "%v", err)
		}
		l.requireTook(start, 10*time.Millisecond, time.Second, "learning it")
	})
}

// WriteTo and ReadFrom carry one message per call of the other's method.
func TestMessageTransfersBetweenReadersAndWriters(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		a, b := l.pair(messages, messages)
		n, err := a.ReadFrom(&listReader{"one", "two", "three"})
		require.NoError(l, err)
		require.EqualValues(l, 11, n)
		go a.Close()
		var w listWriter
		n, err = b.WriteTo(&w)
		require.NoError(l, err)
		require.EqualValues(l, 11, n)
		require.Equal(l, listWriter{"one", "two", "three"}, w)
	})
}

type listReader []string

func (r *listReader) Read(b []byte) (int, error) {
	if len(*r) == 0 {
		return 0, io.EOF
	}
	n := copy(b, (*r)[0])
	*r = (*r)[1:]
	return n, nil
}

type listWriter []string

func (w *listWriter) Write(b []byte) (int, error) {
	*w = append(*w, string(b))
	return len(b), nil
}

// What FillMessages has made in the send buffer arrives as it was made, each message
// once; fill is not called before there is room, and making nothing sends nothing.
func TestFillMessages(t *testing.T) {
	for _, config := range []*udt.Config{messages, legacyMessages} {
		inLab(t, simnet.Link{Delay: 5 * time.Millisecond, Loss: 0.03}, func(l *lab) {
			a, b := l.pair(config, config)
			size := a.PacketPayload()
			n, err := a.FillMessages(func(v [][]byte) int { return 0 }, udt.MessageOptions{Unordered: true})
			require.NoError(l, err)
			require.Zero(l, n)
			const count = 5000
			length := func(i int) int { return 1 + i*13%size }
			done := make(chan error, 1)
			go func() {
				for i := 0; i < count; {
					before := i
					n, err := a.FillMessages(func(v [][]byte) int {
						for k := range v {
							if len(v[k]) != size {
								done <- fmt.Errorf("room of %d bytes", len(v[k]))
							}
							if i == count {
								return k
							}
							v[k] = v[k][:length(i)]
							fillContent(v[k], i)
							i++
						}
						return len(v)
					}, udt.MessageOptions{})
					if err == nil && n != i-before {
						err = fmt.Errorf("%d messages sent of %d", n, i-before)
					}
					if err != nil {
						done <- err
						return
					}
				}
				done <- a.Close()
			}()
			for i := range count {
				m := make([]byte, size)
				n, err := b.ReadMessage(m)
				require.NoError(l, err)
				require.Equal(l, length(i), n)
				require.True(l, checkContent(m[:n], i), "message %d", i)
			}
			require.NoError(l, <-done)
		})
	}
}

// FillMessages waits for room under the write deadline, without having called fill,
// and refuses what it cannot do.
func TestFillMessagesWaits(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		a, _ := l.pair(messages, messages)
		var err error
		start := time.Now()
		require.NoError(l, a.SetWriteDeadline(start.Add(time.Second)))
		sent, made := 0, 0
		for err == nil { // nobody reads
			var n int
			n, err = a.FillMessages(func(v [][]byte) int {
				made += len(v)
				return len(v)
			}, udt.MessageOptions{Unordered: true})
			sent += n
		}
		require.ErrorIs(l, err, os.ErrDeadlineExceeded)
		l.requireTook(start, time.Second, time.Second, "FillMessages")
		require.Equal(l, made, sent)
		never := func([][]byte) int { panic("called") }
		_, err = a.FillMessages(never, udt.MessageOptions{Unordered: true, TTL: time.Second})
		require.ErrorIs(l, err, udt.ErrConfig)
		require.NoError(l, a.Abort())
		_, err = a.FillMessages(never, udt.MessageOptions{Unordered: true})
		require.ErrorIs(l, err, net.ErrClosed)
	})
}
