package proto

import (
	"time"

	"github.com/udtgo/udtgo/udt/internal/cc"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// Bounds of the user-defined control packets that wait to be sent.
const (
	maxUserControls = 64
	maxUserBody     = 1024
)

// userControl is a packet of type 0x7FFF that a controller wants sent.
type userControl struct {
	ext  uint16
	info uint32
	body []byte
}

// sendControl is the controller's way to send. In protected mode the packets of our
// own range are not for controllers.
func (c *Conn) sendControl(ext uint16, info uint32, body []byte) {
	if !c.protected || ext < wire.FirstOwnExt {
		c.queueControl(ext, info, body)
	}
}

// queueControl queues a packet. What does not fit a packet or the queue is dropped,
// as any datagram may be.
func (c *Conn) queueControl(ext uint16, info uint32, body []byte) {
	if len(c.user) >= maxUserControls || len(body) > min(c.payload, maxUserBody) || c.phase > phaseDraining {
		return
	}
	c.user = append(c.user, userControl{ext, info, append([]byte(nil), body...)})
}

func (c *Conn) appendUserControl(b []byte) []byte {
	u := c.user[0]
	c.user = c.user[1:]
	b = c.appendHeader(b, wire.TypeUser, u.ext, u.info)
	if len(u.body) == 0 {
		return append(b, 0, 0, 0, 0)
	}
	return append(b, u.body...)
}

// handleControl hands a user-defined packet to a controller that wants it.
func (c *Conn) handleControl(now time.Duration, head wire.Control, body []byte) {
	if o, ok := c.controller.(cc.ControlObserver); ok {
		c.fillState()
		o.OnControl(c.start.Add(now), &c.cc, head.Ext, head.Info, body)
	}
}
