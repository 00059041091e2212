// Package wan runs bulk transfers over long paths in virtual time, through the
// whole of package udt, to compare congestion controllers.
//
// The paths are [Scenarios], so that a figure means the same wherever it was
// taken. [Run] transfers over one of them on a [simnet.Network]: inside
// a testing/synctest bubble 25 seconds take as long as their computation.
//
// The share of a link, or goodput, is the payload delivered in order by the
// rate of the link in IP packets, over the whole run with the start-up, from
// the moment at which the connections are established. Headers alone leave
// 1456/1500 = 0.971 of it.
//
// The tests of this package demand of the default controller what it is there
// for. With -args they print what any controller makes of the paths:
//
//	go test ./nettest/wan -v -args -wan.controller cubic -wan.v
//	go test ./nettest/wan -v -run 'TestWAN/H$' -args -wan.trace 100ms
//
// Runs are repeatable but for the random numbers that package udt draws
// itself: figures of one seed differ a little from run to run.
package wan
