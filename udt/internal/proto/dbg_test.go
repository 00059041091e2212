package proto

func init() {
	debugHook = func(c *Conn) string {
		s := &c.send
		out := ""
		out += "losses "
		for _, x := range s.losses.list() {
			out += sprintf("%v(%+v) ", x, *s.buf.packet(x.first))
		}
		out += sprintf("next %d end %d newEnd %d limit %d una %d pacer %+v stopped %d period %v", s.buf.next, s.buf.end, c.newEnd(), s.limit, s.buf.una, s.pacer, s.stopped, c.period())
		return out
	}
}
func init() {
	dbgSend = func(x *side, n int64) {
		r := x.peer.c
		println("limit", x.c.send.limit, "una", x.c.send.buf.una, "next", x.c.send.buf.next, "peerWindow", x.c.peerWindow, "peer acks.edge", r.recv.acks.edge, "ext", x.c.extended, "n", n, "fullAcked", x.c.send.fullAcked, "first", x.c.first)
	}
}
