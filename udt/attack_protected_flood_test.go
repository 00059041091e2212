package udt_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// footprint is what the heap and the stacks take of the system.
func footprint() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A13, in full: for ten seconds, over the loopback device, first flights with valid
// cookies as fast as the machine can send them. Honest clients connect, and memory is
// bounded.
func TestA13FloodOfFirstFlights(t *testing.T) {
	if !*attacksLong {
		t.Skip("takes ten seconds: -attacks.long")
	}
	listener, err := udt.Listen("udt", "127.0.0.1:0", psk(udt.ModeStream))
	require.NoError(t, err)
	defer listener.Endpoint().Close()
	go func() {
		for {
			c, err := listener.AcceptUDT()
			if err != nil {
				return
			}
			go c.Close()
		}
	}()
	to := addrOf(listener.Addr())
	var flight [][]byte
	inLab(t, simnet.Link{}, func(l *lab) { flight = l.firstFlight(addrC, addrB) })
	runtime.GC()
	before := footprint()
	done := make(chan struct{})
	var wg sync.WaitGroup
	var inductions, flights, replies atomic.Int64
	pc, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	wg.Go(func() { // asks for cookies
		for id := uint32(1); ; id++ {
			select {
			case <-done:
				return
			default:
			}
			h := hello(id)
			if _, err := pc.WriteToUDPAddrPort(handshakePacket(&h), to); err == nil {
				inductions.Add(1)
			}
			for inductions.Load() > flights.Load()+1000 {
				select {
				case <-done:
					return
				case <-time.After(time.Millisecond):
					inductions.Store(flights.Load())
				}
			}
		}
	})
	wg.Go(func() { // and uses them
		b := make([]byte, 2048)
		for {
			n, _, err := pc.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			h, ok := bodyOf(b[:n])
			if !ok || h.Request != wire.RequestInduction {
				replies.Add(1)
				continue
			}
			token := append([]byte(nil), b[atPeerIP+8:atPeerIP+16]...)
			for _, p := range flight {
				_, _ = pc.WriteToUDPAddrPort(put(p, binary.BigEndian.Uint32(b[12:]), h.Number, h.Cookie, token), to)
			}
			flights.Add(1)
		}
	})
	var tried, connected atomic.Int32
	var most, memory atomic.Int64
	honest := time.NewTicker(200 * time.Millisecond)
	defer honest.Stop()
	end := time.After(10 * time.Second)
	var dials sync.WaitGroup
loop:
	for {
		select {
		case <-honest.C:
			dials.Go(func() {
				tried.Add(1)
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				defer cancel()
				d := udt.Dialer{Config: psk(udt.ModeStream)}
				if c, err := d.DialContext(ctx, "udt", to.String()); err == nil {
					connected.Add(1)
					c.Close()
				}
			})
			most.Store(max(most.Load(), int64(listener.Endpoint().Stats().HandshakesPending)))
			memory.Store(max(memory.Load(), footprint()-before))
		case <-end:
			break loop
		}
	}
	dials.Wait()
	close(done)
	pc.Close()
	wg.Wait()
	outcome := fmt.Sprintf("at most %d kept, %d MiB, honest clients: %d of %d connect", most.Load(), memory.Load()>>20, connected.Load(), tried.Load())
	require.Less(t, memory.Load(), int64(64<<20), outcome)
	require.GreaterOrEqual(t, connected.Load()*100, tried.Load()*95, outcome)
	row(t, "A13", fmt.Sprintf("%d first flights in 10 s, over loopback, as fast as the machine can", flights.Load()), "%s", outcome)
}
