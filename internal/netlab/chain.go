package netlab

import (
	"fmt"
	"net/netip"
)

// Chain returns a topology of one client, one server and the routers between:
//
//	cli --mtus[0]-- r1 --mtus[1]-- r2 -- ... --mtus[n]-- srv
//
// Link i (from 1) has the networks 198.51.100.4(i-1)/30 and 2001:db8:i::/64,
// address 1 at the left end and 2 at the right one. Every router gets the same
// packet-too-big behaviour. It takes 1 to 64 links.
func Chain(name string, ptb PTB, mtus ...int) Topology {
	t := Topology{Name: name}
	last := len(mtus)
	nodeAt := func(i int) string {
		switch i {
		case 0:
			return "cli"
		case last:
			return "srv"
		}
		return fmt.Sprintf("r%d", i)
	}
	for i := range last + 1 {
		n := Node{Name: nodeAt(i)}
		if i > 0 && i < last {
			n.Kind, n.PTB = Router, ptb
		}
		t.Nodes = append(t.Nodes, n)
	}
	for i, mtu := range mtus {
		left, right := chainAddrs(i)
		t.Links = append(t.Links, Link{
			A: End{Node: nodeAt(i), MTU: mtu, Addrs: left},
			B: End{Node: nodeAt(i + 1), MTU: mtu, Addrs: right},
		})
	}
	for i := range last + 1 {
		for j := range mtus {
			switch {
			case j > i: // a network further right, through the right neighbour
				_, via := chainAddrs(i)
				t.Routes = append(t.Routes, chainRoutes(nodeAt(i), j, via)...)
			case j < i-1: // further left
				via, _ := chainAddrs(i - 1)
				t.Routes = append(t.Routes, chainRoutes(nodeAt(i), j, via)...)
			}
		}
	}
	return t
}

func chainAddrs(link int) (left, right []netip.Prefix) {
	for side, out := range []*[]netip.Prefix{&left, &right} {
		v4 := netip.AddrFrom4([4]byte{198, 51, 100, byte(4*link + 1 + side)})
		v6 := netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0, byte(link + 1), 15: byte(1 + side)})
		*out = []netip.Prefix{netip.PrefixFrom(v4, 30), netip.PrefixFrom(v6, 64)}
	}
	return left, right
}

func chainRoutes(node string, link int, via []netip.Prefix) []Route {
	nets, _ := chainAddrs(link)
	var out []Route
	for k, p := range nets {
		out = append(out, Route{Node: node, Dst: p.Masked(), Via: via[k].Addr()})
	}
	return out
}

// Path returns the topology that most measurements are taken on:
//
//	cli --edge-- r1 --bottleneck-- r2 --edge-- srv
//
// The client's and server's own interfaces know nothing of the bottleneck.
func Path(edge, bottleneck int, ptb PTB) Topology {
	what := ptb.Mode.String()
	if ptb.Mode == PTBLying {
		what = fmt.Sprintf("says%d", ptb.MTU)
	}
	t := Chain(fmt.Sprintf("path-%d-%d-%s", edge, bottleneck, what), ptb, edge, bottleneck, edge)
	t.About = fmt.Sprintf("edge MTU %d, bottleneck %d, packet-too-big %s", edge, bottleneck, ptb)
	return t
}
