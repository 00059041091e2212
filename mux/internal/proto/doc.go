// Package proto is the state machine of a mux session: streams, flow control,
// priorities, limits. It does no I/O, reads no clock, starts nothing and has no
// locks: package mux calls it under the session's mutex.
//
// There are four kinds of method. Commands are what the application does: Open,
// Accept, Offer, Read, CloseWrite and so on. HandlePacket takes what arrived, and
// Advance the passing of time. Pack makes the next packet to send, and Ready says
// whether there is one. After any of them TakeWoken returns the streams on which
// blocked calls may go on, and Next when Advance is due.
//
// The carrier below is reliable, so nothing is sent twice; it may deliver packets
// in any order, so every frame is about an absolute state and a later one does not
// depend on an earlier one.
package proto
