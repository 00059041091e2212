package wire

import "testing"

func BenchmarkDataPut(b *testing.B) {
	d := Data{Number: 1, Boundary: Solo, Message: 1, Time: 1, Dest: 1}
	buf := make([]byte, HeaderLen)
	b.ReportAllocs()
	for b.Loop() {
		d.Number++
		d.Put(buf)
	}
}

func BenchmarkParseData(b *testing.B) {
	buf := make([]byte, HeaderLen)
	(&Data{Number: 1, Boundary: Solo, Message: 1, Time: 1, Dest: 1}).Put(buf)
	b.ReportAllocs()
	for b.Loop() {
		sink.data = ParseData(buf)
	}
}

func BenchmarkControlPut(b *testing.B) {
	c := Control{Type: TypeAck, Info: 1, Dest: 1}
	buf := make([]byte, HeaderLen)
	b.ReportAllocs()
	for b.Loop() {
		c.Info++
		c.Put(buf)
	}
}

func BenchmarkParseControl(b *testing.B) {
	buf := make([]byte, HeaderLen)
	(&Control{Type: TypeAck, Info: 1, Dest: 1}).Put(buf)
	b.ReportAllocs()
	for b.Loop() {
		sink.control = ParseControl(buf)
	}
}

func BenchmarkUnwrap(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		sink.number = Unwrap(sink.number, Number(sink.number+1))
	}
}

func BenchmarkAckAppend(b *testing.B) {
	a := fullAck(AckExtended)
	buf := make([]byte, 0, 128)
	b.ReportAllocs()
	for b.Loop() {
		buf = a.Append(buf[:0])
	}
}

func BenchmarkParseAck(b *testing.B) {
	a := fullAck(AckExtended)
	body := a.Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		sink.ack, sink.err = ParseAck(body)
	}
}
