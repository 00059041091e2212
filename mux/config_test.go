package mux_test

import (
	"io"
	"math"
	"net"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/mux"
)

// ranges are those that the documentation of Config gives. Negative numbers have a
// meaning where off is set.
var ranges = map[string]struct {
	lo, hi int64
	off    bool
}{
	"MaxStreams":          {1, 1 << 30, true},
	"MaxUniStreams":       {1, 1 << 30, true},
	"AcceptBacklog":       {1, 1 << 30, false},
	"InitialStreamWindow": {64 << 10, 1 << 30, false},
	"MaxStreamWindow":     {64 << 10, 1 << 30, false},
	"MaxSessionWindow":    {256 << 10, 1 << 30, false},
	"MaxFrameSize":        {1 << 10, 60 << 10, false},
	"KeepAlivePeriod":     {1, math.MaxInt64, true},
	"IdleTimeout":         {1, math.MaxInt64, true},
}

// Every number of a Config follows one rule: zero is the default, and what is
// negative or out of the documented range is an error.
func TestConfigRanges(t *testing.T) {
	numbers := 0
	for _, f := range reflect.VisibleFields(reflect.TypeFor[mux.Config]()) {
		switch f.Type.Kind() {
		case reflect.Int, reflect.Int64:
		case reflect.Pointer:
			continue
		default:
			t.Fatalf("%s: no rule for a %s", f.Name, f.Type)
		}
		numbers++
		r, ok := ranges[f.Name]
		require.True(t, ok, "%s: no range", f.Name)
		allowed := map[int64]bool{0: true, r.lo: true, r.hi: true, r.lo - 1: r.lo == 1, -1: r.off, -1 << 31: r.off}
		if r.hi < math.MaxInt64 {
			allowed[r.hi+1] = false
		}
		for v, ok := range allowed {
			config := &mux.Config{}
			reflect.ValueOf(config).Elem().FieldByIndex(f.Index).SetInt(v)
			for _, make := range []func(net.Conn, *mux.Config) (*mux.Session, error){mux.Client, mux.Server} {
				requireConfig(t, make, config, f.Name, ok)
			}
		}
	}
	require.Len(t, ranges, numbers)
}

// requireConfig requires that make takes config or not. If not, it must name the field
// and leave the connection alone.
func requireConfig(t *testing.T, make func(net.Conn, *mux.Config) (*mux.Session, error), config *mux.Config, field string, ok bool) {
	t.Helper()
	c1, c2 := net.Pipe()
	defer c1.Close()
	session, err := make(c1, config)
	if ok {
		require.NoError(t, err, "%s: %+v", field, *config)
		require.NoError(t, c2.Close())
		require.NoError(t, session.Close())
		return
	}
	defer c2.Close()
	require.Nil(t, session)
	require.ErrorIs(t, err, mux.ErrConfig, "%s: %+v", field, *config)
	require.ErrorContains(t, err, field)
	go c2.Write([]byte("x"))
	_, err = io.ReadFull(c1, []byte{0})
	require.NoError(t, err)
}

// A negative MaxStreams lets the peer open none: what it opened before it had our
// settings is refused. Negative durations mean never.
func TestNegativeMeansOff(t *testing.T) {
	config := &mux.Config{MaxStreams: -1, KeepAlivePeriod: -1, IdleTimeout: -1}
	overMessages(t, config, func(t *testing.T, client, server *mux.Session) {
		early, err := client.OpenStream(t.Context())
		require.NoError(t, err)
		_, err = early.Read([]byte{0})
		requireReset(t, err, mux.CodeRefused, true)
		_, err = client.OpenUniStream(t.Context())
		require.NoError(t, err)
		time.Sleep(time.Second)
		sent := client.Stats().PacketsSent
		time.Sleep(time.Hour)
		require.Equal(t, sent, client.Stats().PacketsSent)
		require.NoError(t, client.Err())
	})
}
