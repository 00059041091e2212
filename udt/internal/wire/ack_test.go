package wire

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// fullAck has a different value in each field.
func fullAck(form AckForm) Ack {
	a := Ack{Form: form, Next: 1}
	if form >= AckShort {
		a.RTT, a.RTTVar, a.Window = 2, 3, 4
	}
	if form >= AckFull {
		a.RecvRate, a.Capacity = 5, 6
	}
	if form == AckExtended {
		a.LargestTx, a.Received, a.Delay, a.HighNext, a.Clock = 8, 9, 10, 11, 12
		a.Missing = words(13, 1<<31|15, 17)
	}
	return a
}

func TestAckForms(t *testing.T) {
	const magic = 0x55445831 // "UDX1"
	for _, c := range []struct {
		form AckForm
		want []byte
	}{
		{AckLight, words(1)},
		{AckShort, words(1, 2, 3, 4)},
		{AckFull, words(1, 2, 3, 4, 5, 6)},
		{AckExtended, words(1, 2, 3, 4, 5, 6, magic, 8, 9, 10, 11, 12, 13, 1<<31|15, 17)},
	} {
		a := fullAck(c.form)
		require.Equal(t, append([]byte("kept"), c.want...), a.Append([]byte("kept")))
		got, err := ParseAck(c.want)
		require.NoError(t, err)
		require.Equal(t, a, got)
	}
}

// What belongs to a longer form is not sent in a shorter one.
func TestAckFormDecidesTheLength(t *testing.T) {
	a := fullAck(AckExtended)
	for form, want := range map[AckForm]int{AckLight: 4, AckShort: 16, AckFull: 24, AckExtended: 48 + 12} {
		a.Form = form
		require.Len(t, a.Append(nil), want)
	}
}

// libudt reads stale bytes for 0, 8, 12 and 20; nobody sends them.
func TestAckOfAnotherLengthIsMalformed(t *testing.T) {
	body := make([]byte, 24)
	for n := range body {
		_, err := ParseAck(body[:n])
		if n == 4 || n == 16 {
			require.NoError(t, err, "%d bytes", n)
			continue
		}
		require.ErrorIs(t, err, ErrMalformed, "%d bytes", n)
	}
}

func TestAckIgnoresWordsBehindTheFullForm(t *testing.T) {
	want := fullAck(AckFull)
	body := append(want.Append(nil), words(0xDEADBEEF, 1, 2, 3, 4, 5, 6)...)
	for n := 24; n <= len(body); n++ {
		got, err := ParseAck(body[:n])
		require.NoError(t, err)
		require.Equal(t, want, got, "%d bytes", n)
	}
}

// The magic alone does not make an ACK extended: all its words must be there.
func TestCutExtendedAckIsAFullOne(t *testing.T) {
	a := fullAck(AckExtended)
	body := a.Append(nil)
	for n := 24; n < 48; n++ {
		got, err := ParseAck(body[:n])
		require.NoError(t, err)
		require.Equal(t, fullAck(AckFull), got, "%d bytes", n)
	}
}

func TestExtendedAckMissingRanges(t *testing.T) {
	a := fullAck(AckExtended)
	a.Missing = nil
	got, err := ParseAck(a.Append(nil))
	require.NoError(t, err)
	require.Equal(t, AckExtended, got.Form)
	require.Empty(t, got.Missing)

	for i := range int64(MaxAckRanges) {
		a.Missing = AppendRange(a.Missing, 10*i, 10*i+4)
	}
	body := a.Append(nil)
	require.LessOrEqual(t, HeaderLen+len(body), 1500-UDPOverhead, "the longest fits the default MSS")
	got, err = ParseAck(body)
	require.NoError(t, err)
	list := spans(got.Missing)
	require.Len(t, list, MaxAckRanges)
	require.Equal(t, span{950, 954}, list[MaxAckRanges-1])
}

func TestAckNumbersHave31Bits(t *testing.T) {
	a := fullAck(AckExtended)
	a.Next, a.HighNext = 0xFFFFFFFF, 1<<31
	a.LargestTx, a.Received, a.Clock = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
	body := a.Append(nil)
	require.Equal(t, words(NumberMask), body[:4])
	require.Equal(t, words(0), body[40:44])

	copy(body[0:], words(0xFFFFFFFF))
	copy(body[40:], words(1<<31|5))
	got, err := ParseAck(body)
	require.NoError(t, err)
	require.EqualValues(t, NumberMask, got.Next)
	require.EqualValues(t, 5, got.HighNext)
	require.Equal(t, uint32(0xFFFFFFFF), got.LargestTx, "counters have 32")
	require.Equal(t, uint32(0xFFFFFFFE), got.Received)
	require.Equal(t, uint32(0xFFFFFFFD), got.Clock)

	light, err := ParseAck(words(1<<31 | 7))
	require.NoError(t, err)
	require.EqualValues(t, 7, light.Next)
}
