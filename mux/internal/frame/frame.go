// Package frame encodes and decodes the frames of mux sessions, which
// ../proto/SPEC.md describes. It keeps no state, does no I/O, and checks only what
// can be checked without a session. Multiple goroutines may call it simultaneously.
package frame

import (
	"encoding/binary"
	"errors"
)

// A Type is the number that a frame begins with.
type Type uint64

// Types of frames. A STREAM frame has three flags in its type.
const (
	Padding       Type = 0x00
	Hello         Type = 0x01
	Ping          Type = 0x02
	Pong          Type = 0x03
	ResetStream   Type = 0x04
	StopSending   Type = 0x05
	MaxData       Type = 0x06
	MaxStreamData Type = 0x07
	MaxStreams    Type = 0x08
	MaxUniStreams Type = 0x09
	GoAway        Type = 0x0a
	Close         Type = 0x0b
	Datagram      Type = 0x0c
	Priority      Type = 0x0d
	Stream        Type = 0x10

	streamFin    = 0x01
	streamLength = 0x02
	streamOffset = 0x04
	streamMask   = ^Type(streamFin | streamLength | streamOffset)

	// Extension is the first type of those that carry their length, so that
	// receivers can skip what they do not know.
	Extension Type = 0x40
)

// Sizes in bytes.
const (
	// MaxControl is more than any frame takes but Hello, Close, Datagram, Stream
	// and extensions.
	MaxControl = 1 + 3*8

	// MaxStreamHeader is the most a STREAM frame takes besides its data.
	MaxStreamHeader = 1 + 3*8
)

// MaxOffset is the largest offset in a stream.
const MaxOffset = MaxVarint

// ErrFormat means that the bytes are not a frame.
var ErrFormat = errors.New("malformed frame")

// A Frame is a decoded frame. Which fields mean something depends on the type.
type Frame struct {
	Type   Type
	Stream int64 // ID, of frames that are about one stream

	// Value is the offset of Stream, the limit of MaxData, MaxStreamData,
	// MaxStreams and MaxUniStreams, the code of ResetStream, StopSending and Close,
	// the token of Ping and Pong, the count of changes of Priority.
	Value uint64

	Size        int64  // ResetStream: how many bytes were sent before
	Fin         bool   // Stream: nothing follows
	Urgency     uint8  // Priority: 0 to 7
	Incremental bool   // Priority
	Data        []byte // Stream, Datagram, Hello, extensions; the reason of Close
}

// Parse decodes the first frame of b and returns the rest. Data aliases b.
func Parse(b []byte) (f Frame, rest []byte, err error) {
	d := decoder{b: b}
	t := Type(d.varint())
	f.Type = t
	switch {
	case d.bad:
	case t&streamMask == Stream:
		f.Type = Stream
		f.Fin = t&streamFin != 0
		f.Stream = int64(d.varint())
		if t&streamOffset != 0 {
			f.Value = d.varint()
		}
		if t&streamLength != 0 {
			f.Data = d.bytes(d.varint())
		} else {
			f.Data = d.bytes(uint64(len(d.b)))
		}
		d.bad = d.bad || f.Value+uint64(len(f.Data)) > MaxOffset
	case t == Padding:
		d.b = nil
	case t >= Extension, t == Hello:
		f.Data = d.bytes(d.varint())
	case t == Ping, t == Pong:
		f.Value = d.uint64()
	case t == ResetStream:
		f.Stream, f.Value, f.Size = int64(d.varint()), d.varint(), int64(d.varint())
	case t == StopSending, t == MaxStreamData:
		f.Stream, f.Value = int64(d.varint()), d.varint()
	case t == MaxData, t == MaxStreams, t == MaxUniStreams:
		f.Value = d.varint()
	case t == GoAway:
	case t == Close:
		f.Value = d.varint()
		f.Data = d.bytes(d.varint())
	case t == Datagram:
		f.Data = d.bytes(uint64(len(d.b)))
	case t == Priority:
		f.Stream, f.Value = int64(d.varint()), d.varint()
		p := d.varint()
		f.Urgency, f.Incremental = uint8(p>>1&7), p&1 != 0
		d.bad = d.bad || p > 15
	default:
		d.bad = true
	}
	if d.bad {
		return Frame{}, nil, ErrFormat
	}
	return f, d.b, nil
}

// Append appends f, in the form that carries its length where there is a choice.
func Append(b []byte, f Frame) []byte {
	if f.Type == Stream {
		b = AppendStreamHeader(b, f.Stream, int64(f.Value), len(f.Data), f.Fin)
		return append(b, f.Data...)
	}
	b = AppendVarint(b, uint64(f.Type))
	switch f.Type {
	case Padding:
		return b
	case Ping, Pong:
		return binary.BigEndian.AppendUint64(b, f.Value)
	case ResetStream:
		b = AppendVarint(b, uint64(f.Stream))
		b = AppendVarint(b, f.Value)
		return AppendVarint(b, uint64(f.Size))
	case StopSending, MaxStreamData:
		b = AppendVarint(b, uint64(f.Stream))
		return AppendVarint(b, f.Value)
	case MaxData, MaxStreams, MaxUniStreams:
		return AppendVarint(b, f.Value)
	case GoAway:
		return b
	case Close:
		b = AppendVarint(b, f.Value)
	case Datagram:
		return append(b, f.Data...)
	case Priority:
		b = AppendVarint(b, uint64(f.Stream))
		b = AppendVarint(b, f.Value)
		p := f.Urgency << 1
		if f.Incremental {
			p |= 1
		}
		return append(b, p)
	}
	b = AppendVarint(b, uint64(len(f.Data)))
	return append(b, f.Data...)
}

// AppendStreamHeader appends what precedes the data of a STREAM frame. With n
// negative the data reach to the end of the packet.
func AppendStreamHeader(b []byte, id, offset int64, n int, fin bool) []byte {
	t := Stream
	if fin {
		t |= streamFin
	}
	if offset > 0 {
		t |= streamOffset
	}
	if n >= 0 {
		t |= streamLength
	}
	b = append(b, byte(t))
	b = AppendVarint(b, uint64(id))
	if offset > 0 {
		b = AppendVarint(b, uint64(offset))
	}
	if n >= 0 {
		b = AppendVarint(b, uint64(n))
	}
	return b
}

// SizeStreamHeader returns how many bytes AppendStreamHeader appends for data that
// reach to the end of the packet.
func SizeStreamHeader(id, offset int64) int {
	n := 1 + SizeVarint(uint64(id))
	if offset > 0 {
		n += SizeVarint(uint64(offset))
	}
	return n
}

// decoder takes values off the front of b until one is not there.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) varint() uint64 {
	v, n := Varint(d.b)
	if n == 0 {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) uint64() uint64 {
	p := d.bytes(8)
	if d.bad {
		return 0
	}
	return binary.BigEndian.Uint64(p)
}

func (d *decoder) bytes(n uint64) []byte {
	if d.bad || n > uint64(len(d.b)) {
		d.bad = true
		return nil
	}
	p := d.b[:n:n]
	d.b = d.b[n:]
	return p
}
