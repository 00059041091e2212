package udt_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/nettest/testkit"
	"github.com/udtgo/udtgo/udt"
	"github.com/udtgo/udtgo/udt/internal/protect"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// A keyLog takes what crypto/tls tells those who ask for its secrets.
type keyLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (k *keyLog) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.b.Write(p)
}

// secrets returns, once, those of the packets, by client random, of the client and of the
// server.
func (k *keyLog) secrets(t *testing.T) (all [][2][]byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	index := map[string]int{}
	for s := bufio.NewScanner(&k.b); s.Scan(); {
		f := strings.Fields(s.Text())
		side := map[string]int{"CLIENT_TRAFFIC_SECRET_0": 0, "SERVER_TRAFFIC_SECRET_0": 1}
		i, ok := side[f[0]]
		if !ok {
			continue
		}
		n, ok := index[f[1]]
		if !ok {
			n = len(all)
			index[f[1]] = n
			all = append(all, [2][]byte{})
		}
		secret, err := hex.DecodeString(f[2])
		require.NoError(t, err)
		all[n][i] = secret
	}
	return all
}

// An audit takes the packets of one direction in the order in which they were sent.
type audit struct {
	*testing.T
	o        *protect.Opener
	bits     uint
	seen     []uint64 // a bit per number
	perEpoch map[uint64]int
	total    int
}

// newAudit finds the secret among all that opens the packets, the first of which is
// given.
func newAudit(t *testing.T, suite protect.Suite, all [][2][]byte, bits uint, first []byte) *audit {
	for _, secrets := range all {
		for _, secret := range secrets {
			o, err := protect.NewOpener(suite, secret, protect.Config{EpochBits: bits, Window: 1 << 18})
			require.NoError(t, err)
			if _, _, err := o.Open(bytes.Clone(first)); err != nil {
				continue
			}
			o, err = protect.NewOpener(suite, secret, protect.Config{EpochBits: bits, Window: 1 << 18})
			require.NoError(t, err)
			return &audit{T: t, o: o, bits: bits, perEpoch: map[uint64]int{}}
		}
	}
	t.Fatal("no secret opens the packets")
	return nil
}

func (a *audit) take(p []byte) {
	_, pn, err := a.o.Open(bytes.Clone(p))
	require.NoError(a, err, "after %d", a.total)
	for int(pn/64) >= len(a.seen) {
		a.seen = append(a.seen, make([]uint64, 1+len(a.seen))...)
	}
	require.Zero(a, a.seen[pn/64]>>(pn%64)&1, "number %d twice", pn)
	a.seen[pn/64] |= 1 << (pn % 64)
	a.perEpoch[pn>>a.bits]++
	require.LessOrEqual(a, a.perEpoch[pn>>a.bits], 1<<a.bits)
	a.total++
}

// A47: of all packets that several connections seal, with writers, readers and changes
// of key at the same time, over a path that loses some, no two of a direction have the
// same number, and no key has more packets than it may: whoever knows the secrets can
// open each once.
func TestA47NoNonceTwice(t *testing.T) {
	const (
		epochBits = 10
		conns     = 4
		size      = 50_000
	)
	rounds, writes := 1, 20
	if *attacksLong {
		rounds, writes = 20, 1600
	}
	total, epochs := 0, 0
	link := simnet.Link{Delay: 2 * time.Millisecond, Rate: 200e6, Queue: 400, Loss: 0.01}
	inLab(t, link, func(l *lab) {
		p, log := testkit.NewAuthority(), new(keyLog)
		server := &udt.Security{TLS: &tls.Config{Certificates: []tls.Certificate{p.Issue("server", time.Now().Add(time.Hour), nil)}}}
		client := &udt.Security{TLS: &tls.Config{RootCAs: p.Pool(), ServerName: "server", KeyLogWriter: log}}
		udt.SetEpochBits(server, epochBits)
		udt.SetEpochBits(client, epochBits)
		listener := l.listen(addrB, with(*server))
		e := l.endpoint(addrA)
		w := l.tap()
		var both []*udt.Conn
		suites := map[protect.Suite]bool{}
		for range conns {
			a, b := l.dial(e, with(*client), listener)
			state, _ := a.ConnectionState()
			suites[protect.Suite(state.CipherSuite)] = true
			both = append(both, a, b)
		}
		require.Len(l, suites, 1)
		var suite protect.Suite
		for suite = range suites {
		}
		secrets := log.secrets(t)
		require.Len(l, secrets, conns)
		directions := map[string]*audit{}
		for range rounds {
			var wg sync.WaitGroup
			for _, c := range both {
				wg.Go(func() {
					for range writes {
						for _, err := range []error{c.UpdateKeys(), c.SetDeadline(time.Now().Add(time.Minute))} {
							if err != nil {
								t.Error(err)
							}
						}
						if _, err := c.Write(make([]byte, size)); err != nil {
							t.Error(err)
						}
					}
				})
				wg.Go(func() {
					if _, err := io.CopyN(io.Discard, onlyReader{c}, int64(writes*size)); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			for _, p := range sealedOnly(w.take()) {
				k := fmt.Sprint(p.from, wire.Dest(p.b))
				if directions[k] == nil {
					directions[k] = newAudit(t, suite, secrets, epochBits, p.b)
				}
				directions[k].take(p.b)
			}
		}
		require.Len(l, directions, 2*conns)
		for _, a := range directions {
			total += a.total
			epochs += len(a.perEpoch)
		}
	})
	row(t, "A47", fmt.Sprintf("%d packets sealed by 8 directions at once, %d keys", total, epochs), "0 numbers twice under a key, none with more than 2^%d", epochBits)
}
