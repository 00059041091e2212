// Package nettest helps to test programs that use UDT.
//
// A [Relay] is a bad network between a client and a server that are other
// processes or use kernel sockets: a UDP proxy with a rate, delay, jitter,
// loss and the other impairments of a [simnet.Link]. A [PairRelay] is the same
// between two peers that connect to each other, as in rendezvous mode.
//
// Programs that can be given a [net.PacketConn] are better tested on
// a [simnet.Network], in virtual time.
//
// [TestListener], [TestPacketConn] and [ConnChecks] check that a listener,
// a packet connection or a connection keeps the promises of package net.
// [TestDropIn] checks what programs depend on beyond that when a transport takes
// the place of TCP; CONTRACT.md lists it. None of them needs UDT: the package
// imports nothing of it.
//
// [simnet.Link]: https://pkg.go.dev/github.com/udtgo/udtgo/nettest/simnet#Link
// [simnet.Network]: https://pkg.go.dev/github.com/udtgo/udtgo/nettest/simnet#Network
package nettest
