package datapath

import (
	"net/netip"
	"sync/atomic"
	"time"

	"pathmtu/internal/router"
)

// Forwarding is the Handler that runs a router over ports: port i of the
// router is port i of the loop.
type Forwarding struct {
	Router *router.Router

	ports []Port
	index []int // interface indices; 0 without a link layer
	k     *Kernel
	slow  router.Bucket
	stats forwardingCounters
}

type forwardingCounters struct{ slow, slowDropped, txDropped atomic.Uint64 }

// ForwardingStats counts packets beside the router's own counters.
type ForwardingStats struct {
	Slow        uint64 // sent by the kernel, which had to resolve or check the next hop
	SlowDropped uint64 // of those, dropped: over the budget, or the kernel refused them
	TxDropped   uint64 // no room on the egress port
}

// slowRate bounds packets to unresolved next hops: a scan of a prefix must not
// take the loop's time.
var slowRate = router.Rate{PerSecond: 2000, Burst: 500}

// NewForwarding returns a handler for r over ports. K may be nil if all of
// them are TUN ports.
func NewForwarding(r *router.Router, k *Kernel, ports ...Port) *Forwarding {
	f := &Forwarding{Router: r, k: k, ports: ports, slow: router.NewBucket(slowRate)}
	for _, p := range ports {
		in := p.Info()
		if in.Kind == KindTUN {
			in.Index = 0
		}
		f.index = append(f.index, in.Index)
	}
	return f
}

// Packet implements Handler.
func (f *Forwarding) Packet(in int, pkt []byte, now time.Time) {
	v := f.Router.Forward(pkt, in, now)
	if len(v.ICMP) > 0 {
		f.send(v.ICMPOut, v.ICMPNext, v.ICMP, now)
	}
	if v.Action == router.Forward {
		f.send(v.Out, v.Next, v.Packet, now)
	}
}

func (f *Forwarding) send(out int, next netip.Addr, pkt []byte, now time.Time) {
	p := f.ports[out]
	if f.index[out] == 0 {
		if !p.Send(pkt, MAC{}) {
			f.stats.txDropped.Add(1)
		}
		return
	}
	mac, ok := f.k.Lookup(f.index[out], next, now)
	if ok {
		if !p.Send(pkt, mac) {
			f.stats.txDropped.Add(1)
		}
		return
	}
	f.stats.slow.Add(1)
	if !f.slow.Take(now) {
		f.stats.slowDropped.Add(1)
		return
	}
	// What is queued goes first, or this packet would overtake it.
	_ = p.Flush()
	if f.k.Send(f.index[out], next, pkt) != nil {
		f.stats.slowDropped.Add(1)
	}
}

// Stats returns the counters; any goroutine may call it.
func (f *Forwarding) Stats() ForwardingStats {
	return ForwardingStats{Slow: f.stats.slow.Load(), SlowDropped: f.stats.slowDropped.Load(), TxDropped: f.stats.txDropped.Load()}
}
