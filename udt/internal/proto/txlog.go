package proto

import "time"

// txRecord is what is remembered of the data packets of one batch: enough for
// delivery-rate samples without keeping anything per packet
// (draft-ietf-ccwg-bbr, "Delivery Rate Samples").
type txRecord struct {
	first       int64 // transmission number of the first packet
	n           int
	bytes       int // datagram sizes
	sentAt      time.Duration
	firstSentAt time.Duration
	delivered   int64 // packets, when sent
	deliveredAt time.Duration
	lost        int64
	inFlight    int // with the batch itself
	appLimited  bool
}

// txLog keeps the records from the one that holds the largest acknowledged
// transmission on, ordered by transmission number.
type txLog struct {
	records []txRecord
	head    int
}

func (l *txLog) push(r txRecord) {
	if l.head >= 64 && l.head*2 > len(l.records) {
		n := copy(l.records, l.records[l.head:])
		l.records, l.head = l.records[:n], 0
	}
	l.records = append(l.records, r)
}

// last returns the latest record, nil if there is none.
func (l *txLog) last() *txRecord {
	if l.head == len(l.records) {
		return nil
	}
	return &l.records[len(l.records)-1]
}

// unsend takes the last n transmissions back: the network did not take them.
func (l *txLog) unsend(n int) {
	r := l.last()
	if r == nil || n <= 0 {
		return
	}
	if n >= r.n {
		l.records = l.records[:len(l.records)-1]
		return
	}
	r.bytes -= r.bytes / r.n * n
	r.n -= n
}

// find returns the record that holds transmission tx, nil if it is forgotten.
func (l *txLog) find(tx int64) *txRecord {
	lo, hi := l.head, len(l.records)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if l.records[mid].first+int64(l.records[mid].n) > tx {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	if lo == len(l.records) || l.records[lo].first > tx {
		return nil
	}
	return &l.records[lo]
}

// forget drops the records before the one that holds tx.
func (l *txLog) forget(tx int64) {
	for l.head < len(l.records) && l.records[l.head].first+int64(l.records[l.head].n) <= tx {
		l.head++
	}
	if l.head == len(l.records) {
		l.records, l.head = l.records[:0], 0
	}
}
