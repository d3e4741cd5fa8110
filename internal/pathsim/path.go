package pathsim

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Spread says how a hop of several links chooses among them.
type Spread uint8

const (
	ByFlow   Spread = iota // all packets of a flow take one link
	ByPacket               // each packet takes any link
)

// Hop is one router with the links to the next one. Packets take one of them.
type Hop struct {
	Links  []Link
	Spread Spread
}

// One is a hop with a single link.
func One(l Link) Hop { return Hop{Links: []Link{l}} }

// Path carries packets over hops, in one direction.
type Path struct {
	sim     *Sim
	hops    []hop
	deliver func(Packet)
	tooBig  func(TooBig)

	// Sent and Delivered count packets, copies included; TooLarge those that
	// exceeded a link's MTU.
	Sent, Delivered, TooLarge int
}

type hop struct {
	links  []*link
	spread Spread
	rng    *rand.Rand
}

// NewPath makes a path. Its name chooses its random numbers. deliver gets what
// arrives; tooBig, unless nil, gets Packet Too Big messages, after the time
// that they need back over the hops before.
func NewPath(s *Sim, name string, hops []Hop, deliver func(Packet), tooBig func(TooBig)) *Path {
	p := &Path{sim: s, deliver: deliver, tooBig: tooBig}
	for i, h := range hops {
		made := hop{spread: h.Spread, rng: s.Rand(fmt.Sprintf("%s/%d", name, i))}
		for j, l := range h.Links {
			made.links = append(made.links, &link{Link: l, rng: s.Rand(fmt.Sprintf("%s/%d/%d", name, i, j))})
		}
		p.hops = append(p.hops, made)
	}
	return p
}

// Send puts a packet on the path, now.
func (p *Path) Send(pkt Packet) {
	p.Sent++
	p.forward(0, pkt)
}

func (p *Path) forward(i int, pkt Packet) {
	if i == len(p.hops) {
		p.Delivered++
		p.deliver(pkt)
		return
	}
	l := p.hops[i].choose(pkt.Flow)
	if mtu := l.MTU.at(p.sim.Since()); pkt.Size > mtu {
		p.TooLarge++
		p.refuse(i, l, mtu, pkt)
		return
	}
	arrivals, n := l.carry(p.sim.now, pkt.Size)
	for _, at := range arrivals[:n] {
		p.sim.At(at, func() { p.forward(i+1, pkt) })
	}
}

func (p *Path) refuse(i int, l *link, mtu int, pkt Packet) {
	if l.TooBig == nil || p.tooBig == nil {
		return
	}
	if l.TooBigRate > 0 && l.rng.Float64() >= l.TooBigRate {
		return
	}
	m := TooBig{Hop: i, MTU: l.TooBig(mtu, pkt.Size), Packet: pkt}
	p.sim.After(p.delay(pkt.Flow, i), func() { p.tooBig(m) })
}

func (h *hop) choose(flow uint64) *link {
	switch {
	case len(h.links) == 1:
		return h.links[0]
	case h.spread == ByPacket:
		return h.links[h.rng.IntN(len(h.links))]
	}
	return h.links[mix(flow)%uint64(len(h.links))]
}

// mix spreads the bits of a flow, so that neighbours take different links.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return x
}

// delay is that of propagation over the first n hops, for a flow; where each
// packet is spread, that of the first link.
func (p *Path) delay(flow uint64, n int) time.Duration {
	var d time.Duration
	for _, h := range p.hops[:n] {
		l := h.links[0]
		if h.spread == ByFlow {
			l = h.choose(flow)
		}
		d += l.Delay
	}
	return d
}

// MTU returns the truth at this moment: the largest packet that can arrive for
// a flow, whichever links it takes.
func (p *Path) MTU(flow uint64) int {
	mtu := 1 << 30
	for _, h := range p.hops {
		if h.spread == ByFlow {
			mtu = min(mtu, h.choose(flow).MTU.at(p.sim.Since()))
			continue
		}
		for _, l := range h.links {
			mtu = min(mtu, l.MTU.at(p.sim.Since()))
		}
	}
	return mtu
}
