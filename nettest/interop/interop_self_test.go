package interop_test

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/interop"
)

var (
	required = flag.Bool("interop.required", false, "fail, rather than skip, without the reference library")
	long     = flag.Bool("interop.long", false, "transfer the full sizes through lossy paths")
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := interop.Cleanup(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// opts splits options written as on a command line.
func opts(format string, args ...any) []string {
	return strings.Fields(fmt.Sprintf(format, args...))
}

func TestPatternDoesNotDependOnReadSizes(t *testing.T) {
	whole := make([]byte, 1000)
	_, err := io.ReadFull(interop.Pattern(7), whole)
	require.NoError(t, err)
	for _, size := range []int{1, 3, 7, 8, 9, 13, 64} {
		var parts bytes.Buffer
		_, err := io.CopyBuffer(struct{ io.Writer }{&parts}, io.LimitReader(interop.Pattern(7), 1000), make([]byte, size))
		require.NoError(t, err)
		require.Equal(t, whole, parts.Bytes(), "read %d bytes at a time", size)
	}
	halves, err := io.ReadAll(iotest.HalfReader(io.LimitReader(interop.Pattern(7), 1000)))
	require.NoError(t, err)
	require.Equal(t, whole, halves)
	require.NotEqual(t, interop.PatternSum(7, 1000), interop.PatternSum(8, 1000))
}

// The reference library against itself: what the other tests rely on.

func TestReferenceStream(t *testing.T) {
	t.Parallel()
	d := interop.Build(t, *required)
	for _, tt := range []struct{ listener, dialer string }{
		{"recv", "send"},
		{"send", "recv"},
		{"both", "both"},
	} {
		t.Run(tt.dialer+" to "+tt.listener, func(t *testing.T) {
			const size = 1_000_003
			l := d.Start(t, opts("%s -role listen -delay 50 -bytes %d", tt.listener, size)...)
			c := d.Start(t, opts("%s -port %d -bytes %d", tt.dialer, l.Port(), size)...)
			want := interop.PatternSum(1, size)
			for _, p := range []*interop.Proc{l, c} {
				p.Expect("CONNECTED")
				sums := 0
				for _, e := range p.Events() {
					if e.Name == "SENT" || e.Name == "RECV" {
						require.Equal(t, want, e.Sum(), e.Name)
						sums++
					}
				}
				require.NotZero(t, sums)
				p.Done()
			}
		})
	}
}

func TestReferenceFile(t *testing.T) {
	t.Parallel()
	d := interop.Build(t, *required)
	const size = 1_000_003
	in, out := writePattern(t, 5, size), filepath.Join(t.TempDir(), "out")
	l := d.Start(t, opts("recvfile -role listen -bytes %d -file %s", size, out)...)
	c := d.Start(t, opts("sendfile -port %d -bytes %d -file %s", l.Port(), size, in)...)
	require.EqualValues(t, size, c.Wait("SENT").Int(0))
	require.EqualValues(t, size, l.Wait("RECV").Int(0))
	l.Done()
	got, err := interop.FileSum(out)
	require.NoError(t, err)
	require.Equal(t, interop.PatternSum(5, size), got)
}

// writePattern makes a file of n bytes of the pattern of a seed.
func writePattern(tb testing.TB, seed uint64, n int64) (name string) {
	tb.Helper()
	f, err := os.Create(filepath.Join(tb.TempDir(), "pattern"))
	require.NoError(tb, err)
	_, err = io.CopyN(f, interop.Pattern(seed), n)
	require.NoError(tb, err)
	require.NoError(tb, f.Close())
	return f.Name()
}

func TestReferenceMessages(t *testing.T) {
	t.Parallel()
	d := interop.Build(t, *required)
	sizes := []int64{1, 100, 1456, 1457, 100_000}
	l := d.Start(t, opts("recv -role listen -type msg")...)
	// The sender closes when the receiver has the last message: a blocked
	// recvmsg loses what it is woken for if the shutdown comes before it looks.
	c := d.Start(t, opts("send -port %d -type msg -count 1 -sizes %s -hold 1", l.Port(), join(sizes))...)
	for i, size := range sizes {
		require.Equal(t, interop.PatternSum(1+uint64(i), size), l.Wait("MSG").Sum())
	}
	c.Input("close")
	require.EqualValues(t, 2001, l.Expect("EOF").Int(0))
	l.Done()
	c.Done()
}

// join writes numbers as the driver's options take them.
func join(numbers []int64) string {
	text := make([]string, len(numbers))
	for i, n := range numbers {
		text[i] = strconv.FormatInt(n, 10)
	}
	return strings.Join(text, ",")
}

func TestReferenceRendezvous(t *testing.T) {
	t.Parallel()
	d := interop.Build(t, *required)
	a := d.Start(t, opts("recv -role rendezvous -port stdin")...)
	b := d.Start(t, opts("send -role rendezvous -port %d -bytes 100000", a.Port())...)
	a.Input(strconv.Itoa(b.Port()))
	require.Equal(t, interop.PatternSum(1, 100_000), a.Wait("RECV").Sum())
	a.Done()
	b.Done()
}

func TestReferenceManyConnections(t *testing.T) {
	t.Parallel()
	d := interop.Build(t, *required)
	l := d.Start(t, opts("manyaccept -count 20")...)
	c := d.Start(t, opts("manyconnect -port %d -count 20 -bytes 5000", l.Port())...)
	require.Equal(t, []string{"20", "0"}, c.Wait("DONE").Args)
	require.Equal(t, []string{"20", "0"}, l.Wait("DONE").Args)
}

func TestReferenceErrors(t *testing.T) {
	t.Parallel()
	d := interop.Build(t, *required)
	t.Run("refused by a listener of another type", func(t *testing.T) {
		t.Parallel()
		l := d.Start(t, "park")
		c := d.Start(t, opts("connect -type msg -port %d", l.Port())...)
		require.EqualValues(t, 1002, c.Expect("ERROR").Int(0))
	})
	t.Run("refused when the backlog is full", func(t *testing.T) {
		t.Parallel()
		l := d.Start(t, opts("park -backlog 1")...)
		port := l.Port()
		first := d.Start(t, opts("recv -port %d", port)...)
		first.Expect("CONNECTED")
		second := d.Start(t, opts("connect -port %d", port)...)
		require.EqualValues(t, 1002, second.Expect("ERROR").Int(0))
	})
	t.Run("no answer", func(t *testing.T) {
		t.Parallel()
		c := d.Start(t, opts("connect -port %d", silentPort(t))...)
		require.EqualValues(t, 1001, c.Expect("ERROR").Int(0))
	})
	t.Run("out of time", func(t *testing.T) {
		t.Parallel()
		l := d.Start(t, opts("park -timeout 1")...)
		l.Expect("LISTEN")
		require.Equal(t, "out of time", strings.Join(l.Expect("ERROR").Args[1:], " "))
	})
}

func TestReferenceReceiverClosesFirst(t *testing.T) {
	t.Parallel()
	d := interop.Build(t, *required)
	l := d.Start(t, opts("recv -role listen -bytes 100000")...)
	c := d.Start(t, opts("send -port %d -bytes 2000000000", l.Port())...)
	require.Equal(t, interop.PatternSum(1, 100_000), l.Wait("RECV").Sum())
	require.EqualValues(t, 2001, c.Wait("ERROR").Int(0))
	c.Wait("CLOSED")
}
