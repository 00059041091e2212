package main

import (
	"net"

	"github.com/udtgo/udtgo/mux"
	"github.com/udtgo/udtgo/udt"
)

// Package mux over each kind of connection.
var (
	muxOverMessages = muxContender("mux", "package mux over a message-mode UDT connection", udtMessages)
	muxOverStream   = muxContender("mux-stream", "package mux over a stream-mode UDT connection", udtDefault)
	muxOverTCP      = muxContender("mux-tcp", "package mux over kernel TCP", tcpDefault)
)

// udtMessages is the connection in message mode itself, without a byte stream over
// it: no contender of its own.
var udtMessages = udtContender("", "", func(c *udt.Config) { c.Mode = udt.ModeMessage })

func muxContender(name, note string, carrier *Contender) *Contender {
	return sessionContender(name, note, carrier,
		func(c net.Conn, o Options) (Session, error) { return mux.Client(c, muxConfig(o)) },
		func(c net.Conn, o Options) (Session, error) { return mux.Server(c, muxConfig(o)) })
}

func muxConfig(o Options) *mux.Config {
	return &mux.Config{MaxStreams: int64(o.MaxStreams), MaxSessionWindow: o.RecvBuffer}
}
