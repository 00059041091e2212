package main

import (
	"io"
	"net"

	"github.com/hashicorp/yamux"
)

// hashicorp/yamux over each kind of connection.
var (
	yamuxOverTCP   = usual(yamuxContender("yamux", "hashicorp/yamux over kernel TCP", tcpDefault))
	yamuxOverCubic = yamuxContender("yamux-cubic", "hashicorp/yamux over kernel TCP, cubic", tcpCubic)
	yamuxOverBBR   = yamuxContender("yamux-bbr", "hashicorp/yamux over kernel TCP, bbr", tcpBBR)
	yamuxOverUDT   = yamuxContender("yamux-udt", "hashicorp/yamux over a stream-mode UDT connection", udtDefault)
)

func yamuxContender(name, note string, carrier *Contender) *Contender {
	return sessionContender(name, note, carrier,
		func(c net.Conn, o Options) (Session, error) { return yamux.Client(c, yamuxConfig(o)) },
		func(c net.Conn, o Options) (Session, error) { return yamux.Server(c, yamuxConfig(o)) })
}

// usual puts c into the loopback tables of all works.
func usual(c *Contender) *Contender {
	c.Usual = nil
	return c
}

func yamuxConfig(o Options) *yamux.Config {
	c := yamux.DefaultConfig()
	c.LogOutput = io.Discard
	if o.RecvBuffer > 0 {
		c.MaxStreamWindowSize = uint32(max(o.RecvBuffer, 256<<10))
	}
	return c
}
