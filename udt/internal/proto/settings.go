package proto

import "time"

// SetKeepAlivePeriod changes after how long without having sent anything a
// keep-alive is sent; zero or negative means never.
func (c *Conn) SetKeepAlivePeriod(d time.Duration) { c.cfg.KeepAlivePeriod = d }

// SetSendBuffer changes the cap on the bytes that may be held for sending.
// What is held already stays.
func (c *Conn) SetSendBuffer(n int) {
	c.cfg.SendBuffer = n
	b := &c.send.buf
	if b.limit <= n {
		return
	}
	back := min(b.limit-n, c.borrowed)
	c.memory.Shrink(back)
	c.borrowed -= back
	b.limit = n
}

// SetRecvBuffer changes the cap on the bytes that are held for the application.
// A window that was promised to the peer stays open.
func (c *Conn) SetRecvBuffer(n int) {
	c.cfg.RecvBuffer = n
	c.recv.window.setCap(n)
}

func (w *recvWindow) setCap(n int) {
	w.cap = min(max(n/w.payload, 2*minWindow), w.limit)
	if w.size <= w.cap {
		return
	}
	back := min((w.size-w.cap)*w.payload, w.borrowed)
	w.memory.Shrink(back)
	w.borrowed -= back
	w.size = w.cap
}

// SetSocketBuffer changes Config.SocketBuffer: other connections receive through
// the same socket, or have stopped to.
func (c *Conn) SetSocketBuffer(bytes int) { c.recv.window.setSocket(bytes) }

// DiscardUnread discards what the application has not read; what still arrives
// is acknowledged and forgotten. Sending goes on.
func (c *Conn) DiscardUnread(now time.Time) { c.discardUnread(c.at(now)) }
