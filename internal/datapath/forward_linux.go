package datapath

import (
	"net/netip"
	"sync/atomic"
	"time"

	"pathmtu/internal/ip6"
	"pathmtu/internal/router"
)

// Local is a host in user space that gets the packets to addresses which no
// kernel owns. All its methods are called in the loop's goroutine.
type Local interface {
	// Packet handles a packet. What it gives to send is copied.
	Packet(pkt []byte, now time.Time, send func(pkt []byte))
	// Poll sends what is due now.
	Poll(now time.Time, send func(pkt []byte))
	// Next is when Poll has something to do; the zero time: after an event.
	Next() time.Time
}

// Forwarding is the Handler that runs a router over ports: port i of the
// router is port i of the loop.
type Forwarding struct {
	Router *router.Router

	ports []Port
	index []int // interface indices; 0 without a link layer
	k     *Kernel
	slow  router.Bucket
	stats forwardingCounters

	local  Local
	asking []int               // for each further port: the port whose Own addresses it asks for
	own    map[netip.Addr]bool // addresses of local
	hostly bool                // forward nothing
	in     int                 // port of the packet that local handles
	now    time.Time
	reply  func(pkt []byte) // made once: no allocation for each packet
}

type forwardingCounters struct{ slow, slowDropped, txDropped, noPath, notForwarded atomic.Uint64 }

// ForwardingStats counts packets beside the router's own counters.
type ForwardingStats struct {
	Slow         uint64 // sent by the kernel, which had to resolve or check the next hop
	SlowDropped  uint64 // of those, dropped: over the budget, or the kernel refused them
	TxDropped    uint64 // no room on the egress port
	NoPath       uint64 // replies of the local host without a route
	NotForwarded uint64 // packets to others, when nothing is forwarded
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
	f.reply = f.sendReply
	return f
}

// SetLocal hands packets to the addresses own to a host in user space. With
// hostly set, packets to others are dropped and nothing is forwarded.
func (f *Forwarding) SetLocal(local Local, own map[netip.Addr]bool, hostly bool) {
	f.local, f.own, f.hostly = local, own, hostly
}

// Packet implements Handler. Ports beyond those of the router receive Neighbor
// Solicitations for the local host.
func (f *Forwarding) Packet(in int, pkt []byte, now time.Time) {
	if in >= len(f.ports) {
		f.in, f.now = f.asking[in-len(f.ports)], now
		f.local.Packet(pkt, now, f.reply)
		return
	}
	if f.hostly && !f.mine(pkt) {
		f.stats.notForwarded.Add(1)
		return
	}
	v := f.Router.Forward(pkt, in, now)
	if len(v.ICMP) > 0 {
		f.send(v.ICMPOut, v.ICMPNext, v.ICMP, now)
	}
	switch v.Action {
	case router.Forward:
		f.send(v.Out, v.Next, v.Packet, now)
	case router.Deliver:
		if f.local != nil && f.mine(pkt) {
			f.in, f.now = in, now
			f.local.Packet(pkt, now, f.reply)
		}
	}
}

func (f *Forwarding) mine(pkt []byte) bool {
	p, err := ip6.Parse(pkt)
	return err == nil && f.own[p.Dst()]
}

// Due implements Ticker.
func (f *Forwarding) Due() time.Time {
	if f.local == nil {
		return time.Time{}
	}
	return f.local.Next()
}

// Tick implements Ticker.
func (f *Forwarding) Tick(now time.Time) {
	if f.local != nil {
		f.in, f.now = 0, now
		f.local.Poll(now, f.reply)
	}
}

// sendReply routes a packet of the local host.
func (f *Forwarding) sendReply(pkt []byte) {
	dst := ip6.Packet(pkt).Dst()
	out, next := f.in, dst
	if !dst.IsLinkLocalUnicast() {
		var ok bool
		if out, next, ok = f.Router.Route(dst); !ok {
			f.stats.noPath.Add(1)
			return
		}
	}
	f.send(out, next, pkt, f.now)
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
	s := &f.stats
	return ForwardingStats{Slow: s.slow.Load(), SlowDropped: s.slowDropped.Load(), TxDropped: s.txDropped.Load(),
		NoPath: s.noPath.Load(), NotForwarded: s.notForwarded.Load()}
}
