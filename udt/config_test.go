package udt_test

import (
	"math"
	"net"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/udt"
)

// A fieldRange is the documented range of a numeric field, beside zero, its default.
type fieldRange struct {
	low, high int64
	negative  bool // a negative value has a meaning
}

const year = int64(365 * 24 * time.Hour)

var (
	buffers   = fieldRange{low: 16 << 10, high: 1 << 30}
	sockets   = fieldRange{low: 1 << 10, high: 1 << 30}
	durations = fieldRange{low: 1, high: year, negative: true}
	counts    = fieldRange{low: 1, high: math.MaxInt, negative: true}
	sizes     = fieldRange{low: 1, high: math.MaxInt64, negative: true}
)

// fieldRanges has every numeric field of the configurations.
var fieldRanges = map[reflect.Type]map[string]fieldRange{
	reflect.TypeFor[udt.Config](): {
		"Mode":             {low: 0, high: 1},
		"MSS":              {low: 100, high: 65535},
		"FlowWindow":       {low: 32, high: 1 << 20},
		"SendBuffer":       buffers,
		"RecvBuffer":       buffers,
		"MaxBandwidth":     {low: 1, high: math.MaxInt64},
		"HandshakeTimeout": durations,
		"PeerTimeout":      durations,
		"IdleTimeout":      durations,
		"KeepAlivePeriod":  durations,
		"Linger":           durations,
		"Backlog":          {low: 1, high: 1 << 20},
	},
	reflect.TypeFor[udt.EndpointConfig](): {
		"UDPSendBuffer": sockets,
		"UDPRecvBuffer": sockets,
		"MemoryLimit":   sizes,
		"ReceiveMemory": sizes,
	},
	reflect.TypeFor[udt.Limits](): {
		"RequestsPerSecond":   counts,
		"RequestsPerPrefix":   counts,
		"HandshakesPerSecond": counts,
		"HandshakesPerPrefix": counts,
		"HalfOpen":            counts,
		"HalfOpenTimeout":     durations,
		"Conns":               counts,
		"ConnsPerPrefix":      counts,
		"StallTimeout":        durations,
	},
}

// One rule holds for every numeric field: zero is the default, and what is out of the
// documented range is an error that names the field.
func TestRangesOfNumericFields(t *testing.T) {
	for structure, ranges := range fieldRanges {
		unknown := make(map[string]bool)
		for name := range ranges {
			unknown[name] = true
		}
		for field := range structure.Fields() {
			switch field.Type.Kind() {
			case reflect.Int, reflect.Int64:
			case reflect.Bool, reflect.Func, reflect.Pointer, reflect.Slice, reflect.Struct:
				continue
			default:
				t.Errorf("%v.%s is of a kind without a rule", structure, field.Name)
				continue
			}
			r, known := ranges[field.Name]
			require.True(t, known, "%v.%s has no range", structure, field.Name)
			delete(unknown, field.Name)
			t.Run(structure.Name()+"."+field.Name, func(t *testing.T) { testRange(t, structure, field, r) })
		}
		require.Empty(t, unknown, "fields that %v does not have", structure)
	}
}

func testRange(t *testing.T, structure reflect.Type, field reflect.StructField, r fieldRange) {
	good, bad := []int64{0, r.low, r.high}, []int64{}
	below := []int64{-1, math.MinInt64}
	if field.Type.Kind() == reflect.Int {
		below[1] = math.MinInt
	}
	if r.negative {
		good = append(good, below...)
	} else {
		bad = append(bad, below...)
	}
	if r.low > 1 {
		bad = append(bad, 1, r.low-1)
	}
	switch {
	case r.high < math.MaxInt:
		bad = append(bad, r.high+1, math.MaxInt)
	case field.Type.Kind() == reflect.Int64 && r.high < math.MaxInt64:
		bad = append(bad, r.high+1, math.MaxInt64)
	}
	for _, v := range good {
		for entry, err := range configure(structure, field, v) {
			require.NoError(t, err, "%s with %d", entry, v)
		}
	}
	for _, v := range bad {
		for entry, err := range configure(structure, field, v) {
			require.ErrorIs(t, err, udt.ErrConfig, "%s with %d", entry, v)
			require.ErrorContains(t, err, field.Name+" is ", "%s with %d", entry, v)
			require.ErrorContains(t, err, "must be", "%s with %d", entry, v)
		}
	}
}

// configure returns what the entries of the package say to a value of a field.
func configure(structure reflect.Type, field reflect.StructField, v int64) map[string]error {
	value := reflect.New(structure)
	value.Elem().FieldByIndex(field.Index).SetInt(v)
	config := &udt.Config{}
	switch c := value.Interface().(type) {
	case *udt.Config:
		config = c
	case *udt.Limits:
		config.Limits = *c
	case *udt.EndpointConfig:
		config.Endpoint = c
	}
	said := make(map[string]error)
	e, err := udt.ListenEndpoint("udt", "127.0.0.1:0", config.Endpoint)
	if config.Endpoint != nil {
		said["ListenEndpoint"] = err
	}
	if err == nil {
		defer e.Close()
		if config.Endpoint == nil {
			_, said["Endpoint.Listen"] = e.Listen(config)
		}
	}
	l, err := udt.Listen("udt", "127.0.0.1:0", config)
	if said["Listen"] = err; err == nil {
		l.Close()
	}
	return said
}

// Every function that opens a port to listen configures it, and methods of an Endpoint
// leave it as it is.
func TestWhoConfiguresAPort(t *testing.T) {
	const local = "127.0.0.1:0"
	for name, open := range map[string]func(c *udt.EndpointConfig) (*udt.Endpoint, error){
		"ListenEndpoint": func(c *udt.EndpointConfig) (*udt.Endpoint, error) { return udt.ListenEndpoint("udt", local, c) },
		"NewEndpoint": func(c *udt.EndpointConfig) (*udt.Endpoint, error) {
			pc, err := net.ListenPacket("udp", local)
			require.NoError(t, err)
			return udt.NewEndpoint(pc, c)
		},
		"Listen": func(c *udt.EndpointConfig) (*udt.Endpoint, error) {
			l, err := udt.Listen("udt", local, &udt.Config{Endpoint: c})
			return l.Endpoint(), err
		},
		"ListenPacket": func(c *udt.EndpointConfig) (*udt.Endpoint, error) {
			p, err := udt.ListenPacket("udt", local, &udt.Config{Endpoint: c})
			return p.Endpoint(), err
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := make(chan string, 2)
			into := func(who string) *udt.EndpointConfig {
				return &udt.EndpointConfig{OnForeignPacket: func([]byte, netip.AddrPort) { got <- who }}
			}
			e, err := open(into("the port's"))
			require.NoError(t, err)
			defer e.Close()
			// The functions that listen have made the only listener already.
			if l, err := e.Listen(&udt.Config{Endpoint: into("the listener's")}); err == nil {
				defer l.Close()
			}
			from, err := net.Dial("udp", e.LocalAddr().String())
			require.NoError(t, err)
			defer from.Close()
			_, err = from.Write([]byte{1})
			require.NoError(t, err)
			require.Equal(t, "the port's", <-got)
		})
	}
}
