// Package simnet is a simulated network of hosts that exchange UDP datagrams.
// It has a rate (or two in turn), delay, jitter, loss, burst loss, reordering,
// duplication, corruption, an MTU and a queue for each direction between two
// hosts.
//
// A [Network] takes the place of the kernel: [Network.Listen] gives a [Conn],
// which is a [net.PacketConn]. Programs that take a net.PacketConn can then be
// tested without sockets, and inside a testing/synctest bubble without waiting:
// a day on a lossy satellite link takes as long as its computation. Create the
// Network inside the bubble. It also works in real time, with the precision of
// the runtime's timers.
//
// A network is deterministic: each direction of each link has its own source
// of random numbers, made from [Config].Seed and the two addresses, so the same
// sequence of datagrams sent at the same times in one direction has the same
// fate, whatever happens elsewhere.
//
// There is one lock and one timer for a Network and no goroutine for a
// datagram. All methods of all types may be called concurrently, except those
// of [Shaper] and [Timeline], which are the two parts of a link that code with
// its own locks and clock (such as a relay on real sockets) can use alone.
package simnet
