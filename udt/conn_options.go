package udt

import (
	"net"
	"time"
)

// SetNoDelay does nothing: data are never held back in the hope of more. It is
// there for callers that look for the method of net.TCPConn.
func (c *Conn) SetNoDelay(bool) error { return c.setOption(func(time.Time) {}) }

// SetKeepAlive sets whether keep-alives are sent, with the period set last. A
// peer may give up a connection on which it hears nothing: see
// Config.IdleTimeout.
func (c *Conn) SetKeepAlive(keepalive bool) error {
	return c.setOption(func(time.Time) {
		if keepalive {
			c.core.SetKeepAlivePeriod(c.keepAlive)
		} else {
			c.core.SetKeepAlivePeriod(-1)
		}
	})
}

// SetKeepAlivePeriod turns keep-alives on and sets after how long without having
// sent anything one is sent, give or take a fifth. Zero and negative leave the
// period as it was.
func (c *Conn) SetKeepAlivePeriod(d time.Duration) error {
	return c.setOption(func(time.Time) {
		if d > 0 {
			c.keepAlive = d
		}
		c.core.SetKeepAlivePeriod(c.keepAlive)
	})
}

// SetKeepAliveConfig is SetKeepAlive and SetKeepAlivePeriod in one. Interval and
// Count have no effect: Config.IdleTimeout decides when a silent peer is given
// up.
func (c *Conn) SetKeepAliveConfig(config net.KeepAliveConfig) error {
	if !config.Enable {
		return c.SetKeepAlive(false)
	}
	return c.SetKeepAlivePeriod(config.Idle)
}

// SetReadBuffer changes Config.RecvBuffer of this connection. Sizes out of its
// range become the nearest one in it. A window that the peer was promised stays
// open.
func (c *Conn) SetReadBuffer(bytes int) error {
	return c.setOption(func(time.Time) { c.core.SetRecvBuffer(min(max(bytes, minBuffer), maxBuffer)) })
}

// SetWriteBuffer changes Config.SendBuffer of this connection. Sizes out of its
// range become the nearest one in it.
func (c *Conn) SetWriteBuffer(bytes int) error {
	return c.setOption(func(time.Time) { c.core.SetSendBuffer(min(max(bytes, minBuffer), maxBuffer)) })
}

// CloseRead discards what was received and what still arrives. Reads return
// io.EOF. The peer is not told: it can go on sending, and nothing of it stops
// the other direction.
func (c *Conn) CloseRead() error {
	return c.setOption(func(now time.Time) {
		c.read.closed = true
		c.wakeReadersLocked()
		c.awaitCopyLocked()
		c.core.DiscardUnread(now)
	})
}

// setOption changes the core with f, unless c is closed, and sends what that
// makes due.
func (c *Conn) setOption(f func(now time.Time)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end.closed {
		return c.opError("set", net.ErrClosed)
	}
	now := time.Now()
	f(now)
	c.settleLocked(now, effortLoop)
	return nil
}

// SetMaxBandwidth limits sending to n bytes per second; zero lifts the limit.
func (c *Conn) SetMaxBandwidth(n int64) error {
	if n < 0 {
		return c.opError("set", configError("bandwidth is %d, must not be negative", n))
	}
	return c.setOption(func(time.Time) { c.core.SetMaxBandwidth(n) })
}
