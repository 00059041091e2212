package wire

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDataFieldsDoNotSpillIntoEachOther(t *testing.T) {
	for _, c := range []struct {
		name string
		d    Data
		want string
	}{
		{"zero", Data{}, "00000000 00000000 00000000 00000000"},
		{"number", Data{Number: 0xFFFFFFFF}, "7fffffff 00000000 00000000 00000000"},
		{"boundary", Data{Boundary: Solo}, "00000000 c0000000 00000000 00000000"},
		{"order", Data{Ordered: true}, "00000000 20000000 00000000 00000000"},
		{"message", Data{Message: 0xFFFFFFFF}, "00000000 1fffffff 00000000 00000000"},
		{"time", Data{Time: 0xFFFFFFFF}, "00000000 00000000 ffffffff 00000000"},
		{"destination", Data{Dest: 0xFFFFFFFF}, "00000000 00000000 00000000 ffffffff"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := []byte("................") // what was there before must not show
			c.d.Put(b)
			require.Equal(t, unhex(t, c.want), b)
			require.False(t, IsControl(b))
			require.Equal(t, c.d.Dest, Dest(b))
		})
	}
}

func TestControlFieldsDoNotSpillIntoEachOther(t *testing.T) {
	for _, c := range []struct {
		name string
		c    Control
		want string
	}{
		{"zero", Control{}, "80000000 00000000 00000000 00000000"},
		{"type", Control{Type: TypeUser}, "ffff0000 00000000 00000000 00000000"},
		{"type beyond its bits", Control{Type: 0x8000}, "80000000 00000000 00000000 00000000"},
		{"extended type", Control{Ext: 0xFFFF}, "8000ffff 00000000 00000000 00000000"},
		{"information", Control{Info: 0xFFFFFFFF}, "80000000 ffffffff 00000000 00000000"},
		{"time", Control{Time: 0xFFFFFFFF}, "80000000 00000000 ffffffff 00000000"},
		{"destination", Control{Dest: 0xFFFFFFFF}, "80000000 00000000 00000000 ffffffff"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := []byte("................")
			c.c.Put(b)
			require.Equal(t, unhex(t, c.want), b)
			require.True(t, IsControl(b))
			require.Equal(t, c.c.Dest, Dest(b))
		})
	}
}

func TestHeaderLeavesThePayloadAlone(t *testing.T) {
	b := make([]byte, HeaderLen+4)
	copy(b[HeaderLen:], "data")
	(&Data{Number: 1}).Put(b)
	require.Equal(t, "data", string(b[HeaderLen:]))
	(&Control{Type: TypeAck}).Put(b)
	require.Equal(t, "data", string(b[HeaderLen:]))
}

func TestBoundary(t *testing.T) {
	for _, c := range []struct {
		b           Boundary
		first, last bool
	}{
		{Middle, false, false},
		{Last, false, true},
		{First, true, false},
		{Solo, true, true},
	} {
		require.Equal(t, c.first, c.b.IsFirst(), "%b", c.b)
		require.Equal(t, c.last, c.b.IsLast(), "%b", c.b)
	}
}

// 1472 and 1456 bytes by default; 28 bytes on IPv6 too.
func TestSizes(t *testing.T) {
	require.Equal(t, 1472, 1500-UDPOverhead)
	require.Equal(t, 1456, 1500-DataOverhead)
}
