package main

import (
	"fmt"
	"math"
	"net"
	"time"
)

// describe says what is going to happen.
func describe(o *options, server, relay net.Addr) {
	protocol := "HTTP"
	if o.tls {
		protocol = "HTTPS"
	}
	transport := "UDT"
	if o.secure {
		transport = "protected UDT"
	}
	fmt.Printf("A file of %g MB by %s over %s, for at most %v.\n", o.size, protocol, transport, o.limit)
	fmt.Printf("server    %v, a net/http server on a udt.Listener\n", server)
	fmt.Printf("path      %v, simulated: %g Mbit/s, %v round trip, %g %% loss each way, queue of %d packets\n\n",
		relay, o.rate, o.rtt, o.loss, o.link().Queue)
}

// report says how it went, in the sender's numbers.
func (r *result) report(o *options) {
	goodput := mbits(r.bytes, r.elapsed)
	s := r.sender
	fmt.Printf("\ngoodput   %.1f Mbit/s, %.0f %% of the link (%.1f MB in %.1f s, connecting included)\n",
		goodput, 100*goodput/o.rate, float64(r.bytes)/1e6, r.elapsed.Seconds())
	fmt.Printf("RTT       %.0f ms, at least %.0f ms\n", ms(s.RTT), ms(s.MinRTT))
	fmt.Printf("loss      %.2f %%: of %d packets the path lost %d at random, its queue dropped %d\n",
		percent(r.path.Lost+r.path.QueueDrops, r.path.Sent), r.path.Sent, r.path.Lost, r.path.QueueDrops)
	fmt.Printf("repeated  %.2f %% of %d data packets\n", percent(s.PacketsRetransmitted, s.PacketsSent), s.PacketsSent)
	if model := mathis(o.rtt, o.loss/100); model < o.rate {
		fmt.Printf("TCP       %.1f Mbit/s is what a loss-based TCP can reach there by Mathis' formula, MSS/RTT*sqrt(3/2)/sqrt(p):\n", model)
		fmt.Printf("          a model, not a measurement; goodput was %.1f times that\n", goodput/model)
	} else {
		fmt.Printf("TCP       the link's rate is what a loss-based TCP can reach there by Mathis' formula, a model, not a measurement\n")
	}
}

// mathis is the rate in Mbit/s that a loss-based TCP can reach on a path with
// loss probability p.
//
// M. Mathis, J. Semke, J. Mahdavi, T. Ott: The Macroscopic Behavior of the TCP
// Congestion Avoidance Algorithm, 1997, with C = sqrt(3/2).
func mathis(rtt time.Duration, p float64) float64 {
	const mss = packetSize - 40 // bytes: without the IP and TCP headers
	return mss * 8 / 1e6 / rtt.Seconds() * math.Sqrt(1.5) / math.Sqrt(p)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func percent(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}
