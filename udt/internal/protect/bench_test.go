package protect

import (
	"math/rand/v2"
	"testing"
)

const (
	benchPayload  = 1440
	benchPacket   = HeaderLen + benchPayload + Overhead
	benchSegments = 44 // of one send with UDP_SEGMENT
)

func eachSuiteBench(b *testing.B, f func(b *testing.B, suite Suite)) {
	for _, suite := range suites {
		b.Run(suite.String(), func(b *testing.B) { f(b, suite) })
	}
}

// sealSegments seals a payload into each segment of a transmit buffer.
func sealSegments(b *testing.B, s *Sealer, buffer, header, payload []byte) []byte {
	var err error
	for range benchSegments {
		if !s.MaySeal() {
			s.Confirm(s.Number() - 1)
		}
		buffer = append(buffer, header...)
		if buffer, err = s.Seal(buffer, payload); err != nil {
			b.Fatal(err)
		}
	}
	return buffer
}

func BenchmarkSeal(b *testing.B) {
	eachSuiteBench(b, func(b *testing.B, suite Suite) {
		s, header := newSealer(b, suite, Config{}), newHeader(7)
		payload := make([]byte, benchPayload)
		buffer := make([]byte, 0, benchSegments*benchPacket)
		b.SetBytes(benchPayload)
		b.ReportAllocs()
		for n := 0; n < b.N; n += benchSegments {
			sealSegments(b, s, buffer, header, payload)
		}
	})
}

// BenchmarkOpen includes copying each packet to where it is opened.
func BenchmarkOpen(b *testing.B) {
	eachSuiteBench(b, func(b *testing.B, suite Suite) {
		s, header := newSealer(b, suite, Config{}), newHeader(7)
		sealed := sealSegments(b, s, nil, header, make([]byte, benchPayload))
		o, fresh := newOpener(b, suite, Config{}), newOpener(b, suite, Config{}).seen
		words := fresh.words
		buffer := make([]byte, len(sealed))
		b.SetBytes(benchPayload)
		b.ReportAllocs()
		for n := 0; n < b.N; n += benchSegments {
			clear(words)
			o.seen, o.expected = fresh, 0 // as if none had come before
			copy(buffer, sealed)
			for at := 0; at < len(buffer); at += benchPacket {
				if _, _, err := o.Open(buffer[at : at+benchPacket]); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

func BenchmarkSealControl(b *testing.B) {
	eachSuiteBench(b, func(b *testing.B, suite Suite) {
		s, payload := newSealer(b, suite, Config{}), make([]byte, 24)
		packet := make([]byte, HeaderLen, HeaderLen+len(payload)+Overhead)
		for b.Loop() {
			if !s.MaySeal() {
				s.Confirm(s.Number() - 1)
			}
			if _, err := s.Seal(packet, payload); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkRefuse opens packets of random bytes, nearly all of which end at the
// epoch.
func BenchmarkRefuse(b *testing.B) {
	eachSuiteBench(b, func(b *testing.B, suite Suite) {
		o := newOpener(b, suite, Config{})
		o.goTo(b, 1<<33)
		random := rand.NewChaCha8([32]byte{})
		packets := make([]byte, 256*benchPacket)
		if _, err := random.Read(packets); err != nil {
			b.Fatal(err)
		}
		at := 0
		for b.Loop() {
			if _, _, err := o.Open(packets[at : at+benchPacket]); err == nil {
				b.Fatal("accepted")
			}
			if at += benchPacket; at == len(packets) {
				at = 0
			}
		}
	})
}
