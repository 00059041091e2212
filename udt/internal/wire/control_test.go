package wire

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestShutdownBody(t *testing.T) {
	for _, c := range []struct {
		s    Shutdown
		want []byte
	}{
		{Shutdown{ReasonClosed, 5}, words(0, 5)},
		{Shutdown{ReasonAborted, NumberMask}, words(1, NumberMask)},
		{Shutdown{ReasonProtocol, 0}, words(2, 0)},
		{Shutdown{ReasonEndpoint, 7}, words(3, 7)},
		{Shutdown{Reason(0xFFFFFFFF), 7}, words(0xFFFFFFFF, 7)},
	} {
		b := make([]byte, ShutdownLen)
		c.s.Put(b)
		require.Equal(t, c.want, b)
		got, ok := ParseShutdown(append(b, "more"...))
		require.True(t, ok, "a longer body is read")
		require.Equal(t, c.s, got)
	}
}

func TestShutdownFinalNumberHas31Bits(t *testing.T) {
	b := make([]byte, ShutdownLen)
	(&Shutdown{Final: 1<<31 | 3}).Put(b)
	require.Equal(t, words(0, 3), b)
	got, ok := ParseShutdown(words(0, 1<<31|4))
	require.True(t, ok)
	require.EqualValues(t, 4, got.Final)
}

// The reference pads with 4 zero bytes, others may send none.
func TestShutdownOfTheReferenceCarriesNothing(t *testing.T) {
	for n := range ShutdownLen {
		got, ok := ParseShutdown(make([]byte, n))
		require.False(t, ok, "%d bytes", n)
		require.Zero(t, got)
	}
}

func TestDropRequestBody(t *testing.T) {
	for _, c := range []struct {
		name        string
		first, last int64
		want        []byte
	}{
		{"one packet", 5, 5, words(5, 5)},
		{"several", 5, 9, words(5, 9)},
		{"over the wrap", NumberMask, period31 + 1, words(NumberMask, 1)},
		{"backward, as the reference may send", 9, 5, words(9, 5)},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := make([]byte, DropRequestLen)
			PutDropRequest(b, c.first, c.last)
			require.Equal(t, c.want, b)
			first, last, err := ParseDropRequest(append(b, "more"...))
			require.NoError(t, err, "extra bytes are ignored")
			require.Equal(t, span{Number(c.first), Number(c.last)}, span{first, last})
		})
	}
}

func TestDropRequestNumbersHave31Bits(t *testing.T) {
	first, last, err := ParseDropRequest(words(1<<31|5, 1<<31|6))
	require.NoError(t, err)
	require.Equal(t, span{5, 6}, span{first, last})
}

func TestShortDropRequestIsMalformed(t *testing.T) {
	for n := range DropRequestLen {
		_, _, err := ParseDropRequest(make([]byte, n))
		require.ErrorIs(t, err, ErrMalformed, "%d bytes", n)
	}
}
