package netlab

import (
	"fmt"
	"net/netip"
)

// vethSlack is how much larger than its own MTU a veth end accepts a packet:
// the kernel leaves room for a VLAN tag whether there is one or not.
const vethSlack = 4

// Hop is one link crossed by a packet.
type Hop struct {
	From, To string
	// MTU of the sending end. A larger packet is refused by From, which says
	// so with a packet-too-big message if its PTB behaviour lets it.
	MTU int
	// Silent is the largest packet that To takes from this link; a larger one
	// disappears. It is 65535 where nothing disappears by size.
	Silent int
}

// Limit returns the largest packet that crosses the hop, in bytes.
func (h Hop) Limit() int { return min(h.MTU, h.Silent) }

// Walk is the ground truth of one direction of a path.
type Walk []Hop

// MTU returns the largest packet that arrives, in bytes.
func (w Walk) MTU() int {
	mtu := 65535
	for _, h := range w {
		mtu = min(mtu, h.Limit())
	}
	return mtu
}

// FirstHop returns the MTU of the interface that the first node sends with.
func (w Walk) FirstHop() int {
	if len(w) == 0 {
		return 65535
	}
	return w[0].MTU
}

// Walk follows the routes of the topology from a node to an address and
// returns the links crossed. It knows links, routes, and losses of 100
// percent; it fails when no route leads there or the routes form a loop.
func (t Topology) Walk(from string, to netip.Addr) (Walk, error) {
	var walk Walk
	for at := from; ; {
		if t.owns(at, to) {
			return walk, nil
		}
		if n, ok := t.node(at); !ok {
			return nil, fmt.Errorf("topology %q: unknown node %q", t.Name, at)
		} else if len(walk) > 0 && n.Kind != Router {
			return nil, fmt.Errorf("topology %q: host %q would have to forward to %v", t.Name, at, to)
		}
		if len(walk) > len(t.Nodes) {
			return nil, fmt.Errorf("topology %q: routes from %q to %v form a loop", t.Name, from, to)
		}
		via, ok := t.nextHop(at, to)
		if !ok {
			return nil, fmt.Errorf("topology %q: node %q has no route to %v", t.Name, at, to)
		}
		i, ok := t.egress(at, via)
		if !ok {
			return nil, fmt.Errorf("topology %q: next hop %v is on no link of %q", t.Name, via, at)
		}
		out, in := t.Links[i].sides(at)
		if !in.owns(via) {
			return nil, fmt.Errorf("topology %q: nobody has address %v on the link of %q", t.Name, via, at)
		}
		walk = append(walk, Hop{From: at, To: in.Node, MTU: out.MTU, Silent: t.Links[i].silentAbove(at)})
		at = in.Node
	}
}

// silentAbove returns the largest packet that gets through the link once the
// node named sent it.
func (l Link) silentAbove(from string) int {
	_, in := l.sides(from)
	most := 65535
	if l.Delay == nil {
		most = in.MTU + vethSlack
	} else {
		most = in.MTU
	}
	for _, loss := range in.Loss {
		if loss.Percent == 100 || loss.Every == 1 {
			most = min(most, loss.Above)
		}
	}
	if out, _ := l.sides(from); most >= out.MTU {
		return 65535
	}
	return most
}

// sides returns the end at the node and the other one.
func (l Link) sides(node string) (near, far End) {
	if l.A.Node == node {
		return l.A, l.B
	}
	return l.B, l.A
}

func (t Topology) owns(node string, a netip.Addr) bool {
	for _, l := range t.Links {
		if l.A.Node == node && l.A.owns(a) || l.B.Node == node && l.B.owns(a) {
			return true
		}
	}
	return false
}

func (e End) owns(a netip.Addr) bool {
	for _, p := range e.Addrs {
		if p.Addr() == a {
			return true
		}
	}
	return false
}

// egress returns the index of the link of a node on whose network a is.
func (t Topology) egress(node string, a netip.Addr) (int, bool) {
	best, bits := -1, -1
	for i, l := range t.Links {
		if l.A.Node != node && l.B.Node != node {
			continue
		}
		near, _ := l.sides(node)
		for _, p := range near.Addrs {
			if p.Masked().Contains(a) && p.Bits() > bits {
				best, bits = i, p.Bits()
			}
		}
	}
	return best, best >= 0
}

// nextHop returns the address that a node hands packets for dst to: dst itself
// on a connected network, else the one of the most specific route.
func (t Topology) nextHop(node string, dst netip.Addr) (netip.Addr, bool) {
	if _, ok := t.egress(node, dst); ok {
		return dst, true
	}
	var via netip.Addr
	bits := -1
	for _, r := range t.Routes {
		if r.Node == node && r.Dst.Contains(dst) && r.Dst.Bits() > bits {
			via, bits = r.Via, r.Dst.Bits()
		}
	}
	return via, bits >= 0
}
