package main

import (
	"github.com/udtgo/udtgo/nettest/bench/link"
)

// A wanResult is what one run of one scenario told about one contender.
type wanResult struct {
	Scenario  string
	Contender string
	Run       int
	Error     string `json:",omitempty"`

	// Goodput is payload that arrived, of all flows, per capacity of the link
	// at IP level, from the first write on.
	Goodput float64 `json:",omitempty"`

	// QueueShare is the mean queue as a part of the buffer.
	QueueShare float64 `json:",omitempty"`

	// Jain is the index of fairness of the flows' Later.
	Jain float64 `json:",omitempty"`

	Flows []wanOneFlow  `json:",omitempty"`
	Start []wanTransfer `json:",omitempty"`

	Forward, Reverse link.Stats // of the link, from before the handshake on
}

// A wanOneFlow is one of the flows of a run.
type wanOneFlow struct {
	Contender string
	Goodput   float64   // as in wanResult
	Later     float64   `json:",omitempty"` // the same from wanScenario.after on
	Seconds   []float64 // the same for each second: bits that arrived per those the link could carry
	Sent      *Result   `json:",omitempty"` // nil if it was cut off without a word
	Received  *Result
}

// A wanTransfer is a short transfer and how long it took from the first write to
// the arrival of the last byte.
type wanTransfer struct {
	Bytes   int64
	Seconds float64
}

// sum fills in what follows from the flows and the link.
func (r *wanResult) sum(s *wanScenario) {
	var later []float64
	for _, f := range r.Flows {
		r.Goodput += f.Goodput
		later = append(later, f.Later)
	}
	if s.kind == wanTwins {
		r.Jain = jain(later)
	}
	r.QueueShare = r.Forward.QueueShare()
}
