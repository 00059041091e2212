//go:build udtnooffload

package udpio

import (
	"net"
	"sync"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// maxWrites is how many datagrams one call sends at most.
const maxWrites = 64

// A batchWriter is an *ipv4.PacketConn or *ipv6.PacketConn.
type batchWriter interface {
	WriteBatch([]ipv4.Message, int) (int, error)
}

// newBatchWriter returns what sends several datagrams in one call, nil if nothing does.
//
// The counterpart for reading is not used: it saves a tenth of a read's time, about a
// fiftieth of all that a datagram costs, but allocates an address for each datagram and
// needs room for all of them as long as it waits.
func newBatchWriter(conn *net.UDPConn, inet6 bool) batchWriter {
	if inet6 {
		return ipv6.NewPacketConn(conn)
	}
	return ipv4.NewPacketConn(conn)
}

// A posting is one WriteBatch. It is pooled, so that a Send allocates nothing.
type posting struct {
	messages [maxWrites]ipv4.Message
	buffers  [maxWrites][1][]byte
}

var postings = sync.Pool{New: func() any {
	p := new(posting)
	for i := range p.messages {
		p.messages[i].Buffers = p.buffers[i][:]
	}
	return p
}}

// writeMany sends the datagrams at c, at most maxWrites of them, in one call, and
// returns how many were taken; an error is that of the first.
func (s *systemSocket) writeMany(p *Peer, c cursor) (taken int, err error) {
	m := postings.Get().(*posting)
	defer postings.Put(m)
	var to net.Addr
	if !s.remote.IsValid() {
		if p.udpAddr == nil {
			p.udpAddr = net.UDPAddrFromAddrPort(p.addr)
		}
		to = p.udpAddr
	}
	count := 0
	for ; count < maxWrites; count++ {
		d := c.peek()
		if d == nil {
			break
		}
		m.buffers[count][0] = d
		m.messages[count].Addr, m.messages[count].OOB = to, p.sys.pin
		c.advance(d)
	}
	taken, err = s.batch.WriteBatch(m.messages[:count], 0)
	for i := range count {
		m.buffers[i][0] = nil
		m.messages[i].Addr, m.messages[i].OOB = nil, nil
	}
	return max(taken, 0), err
}
