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

// A47: of all packets that several connections seal, with writers, readers and changes
// of key at the same time, over a path that loses some, no two of a direction have the
// same number, and no key has more packets than it may: whoever knows the secrets can
// open each once.
func TestA47NoNonceTwice(t *testing.T) {
	const epochBits = 10
	total, epochs := 0, 0
	link := simnet.Link{Delay: 2 * time.Millisecond, Rate: 200e6, Queue: 400, Loss: 0.01}
	inLab(t, link, func(l *lab) {
		p, log := newPKI(l), new(keyLog)
		server := &udt.Security{TLS: &tls.Config{Certificates: []tls.Certificate{p.issue("server", time.Hour)}}}
		client := &udt.Security{TLS: &tls.Config{RootCAs: p.pool, ServerName: "server", KeyLogWriter: log}}
		udt.SetEpochBits(server, epochBits)
		udt.SetEpochBits(client, epochBits)
		listener := l.listen(addrB, with(*server))
		e := l.endpoint(addrA)
		w := l.tap()
		const conns = 4
		n := packets(100_000_000)
		suites := map[protect.Suite]bool{}
		var wg sync.WaitGroup
		for range conns {
			a, b := l.dial(e, with(*client), listener)
			state, _ := a.ConnectionState()
			suites[protect.Suite(state.CipherSuite)] = true
			for _, c := range []*udt.Conn{a, b} {
				wg.Go(func() {
					for range n / 50_000 {
						for _, err := range []error{c.UpdateKeys(), c.SetDeadline(time.Now().Add(time.Minute))} {
							if err != nil {
								t.Error(err)
							}
						}
						if _, err := c.Write(make([]byte, 50_000)); err != nil {
							t.Error(err)
						}
					}
				})
				wg.Go(func() {
					if _, err := io.CopyN(io.Discard, onlyReader{c}, int64(n/50_000*50_000)); err != nil {
						t.Error(err)
					}
				})
			}
		}
		wg.Wait()
		require.Len(l, suites, 1)
		var suite protect.Suite
		for suite = range suites {
		}
		// Each direction of each connection, in the order in which it was sent.
		directions := map[string][][]byte{}
		for _, p := range sealedOnly(w.take()) {
			k := fmt.Sprint(p.from, wire.Dest(p.b))
			directions[k] = append(directions[k], p.b)
		}
		require.Len(l, directions, 2*conns)
		secrets := log.secrets(t)
		require.Len(l, secrets, conns)
		for k, sent := range directions {
			opened := false
			for _, s := range secrets {
				for _, secret := range s {
					numbers := openAll(t, suite, secret, sent, epochBits)
					if numbers == nil {
						continue
					}
					opened = true
					seen, perEpoch := map[uint64]bool{}, map[uint64]int{}
					for _, pn := range numbers {
						require.False(l, seen[pn], "number %d twice", pn)
						seen[pn] = true
						perEpoch[pn>>epochBits]++
					}
					for _, n := range perEpoch {
						require.LessOrEqual(l, n, 1<<epochBits)
					}
					total += len(numbers)
					epochs += len(perEpoch)
				}
			}
			require.True(l, opened, k)
		}
	})
	row(t, "A47", fmt.Sprintf("%d packets sealed by 8 directions at once, %d keys", total, epochs), "0 numbers twice under a key, none with more than 2^%d", epochBits)
}

// openAll opens the packets of one direction and returns their numbers, nil if they
// were sealed with another secret.
func openAll(t *testing.T, suite protect.Suite, secret []byte, sent [][]byte, bits uint) (numbers []uint64) {
	o, err := protect.NewOpener(suite, secret, protect.Config{EpochBits: bits, Window: 1 << 18})
	require.NoError(t, err)
	for _, p := range sent {
		_, pn, err := o.Open(append([]byte(nil), p...))
		if err != nil && numbers == nil {
			return nil
		}
		require.NoError(t, err, "after %d", len(numbers))
		numbers = append(numbers, pn)
	}
	return numbers
}
