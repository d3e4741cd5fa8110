package netlab

import (
	"net/netip"
	"time"
)

// Catalog returns the topologies that have a name, in order of difficulty.
func Catalog() []Topology {
	return []Topology{
		about(Path(1500, 1500, PTB{}), "plain", "1500 everywhere"),
		about(Path(9000, 1500, PTB{}), "jumbo-edge", "hosts with jumbo frames, an ordinary path, packet-too-big delivered"),
		about(Path(1500, 1492, PTB{}), "pppoe", "a PPPoE link, packet-too-big delivered"),
		about(Path(1500, 1420, PTB{Mode: PTBFiltered}), "blackhole", "a tunnel whose packet-too-big messages are filtered"),
		about(Path(9000, 1280, PTB{Mode: PTBFiltered}), "blackhole-1280", "the least IPv6 allows behind jumbo edges, filtered"),
		about(Path(1500, 1420, PTB{Mode: PTBLying, MTU: 1300}), "understated", "a router that names less than it forwards"),
		about(Path(1500, 1420, PTB{Mode: PTBLying, MTU: 1480}), "overstated", "a router that names more than it forwards"),
		about(Path(1500, 1420, PTB{Mode: PTBLying, MTU: 0}), "zero", "a router that names no MTU, as before RFC 1191"),
		about(Chain("", PTB{}, 9000, 4352, 1500, 1492, 1420, 1280), "staircase", "the MTU shrinks at every hop, all of them say so"),
		unequalEnds(),
		sizeLoss(),
		halfway(),
		twoPaths(),
		satellite(),
	}
}

// FindTopology returns the catalog's topology of that name.
func FindTopology(name string) (Topology, bool) {
	for _, t := range Catalog() {
		if t.Name == name {
			return t, true
		}
	}
	return Topology{}, false
}

func about(t Topology, name, line string) Topology {
	t.Name, t.About = name, line
	return t
}

// unequalEnds is a black hole that no filter makes: r1 sends 9000 bytes into a
// link whose other end takes 1500.
func unequalEnds() Topology {
	t := about(Chain("", PTB{}, 9000, 9000, 9000), "unequal-ends", "the ends of one link disagree about its MTU: larger packets vanish")
	t.Links[1].B.MTU = 1500
	return t
}

// sizeLoss loses large packets more often, as an overloaded tunnel does that
// has to fragment.
func sizeLoss() Topology {
	t := about(Path(1500, 1500, PTB{}), "size-loss", "packets above 1400 get lost more often than others")
	t.Links[1].B.Loss = []Loss{{Above: 1400, Percent: 30}}
	return t
}

// halfway has only one of two routers filtering.
func halfway() Topology {
	t := about(Chain("", PTB{}, 9000, 1500, 1420, 1500), "half-silent", "two bottlenecks: the first is reported, the second is not")
	t.Nodes[2].PTB = PTB{Mode: PTBFiltered}
	return t
}

// twoPaths sends the two directions over different routers, the way back being
// the narrower one.
func twoPaths() Topology {
	t := Topology{
		Name:  "asymmetric",
		About: "the way back is narrower than the way there",
		Picture: `
     ,--1500-- r1 --1500--.     cli to srv
cli <                      > srv
     '--1400-- r2 --1500--'     srv to cli
`,
		Nodes: []Node{{Name: "cli"}, {Name: "srv"}, {Name: "r1", Kind: Router}, {Name: "r2", Kind: Router}},
	}
	t.Picture = t.Picture[1:]
	ends := [][2]string{{"cli", "r1"}, {"r1", "srv"}, {"cli", "r2"}, {"r2", "srv"}}
	for i, e := range ends {
		mtu := 1500
		if i == 2 {
			mtu = 1400
		}
		left, right := chainAddrs(i)
		t.Links = append(t.Links, Link{A: End{Node: e[0], MTU: mtu, Addrs: left}, B: End{Node: e[1], MTU: mtu, Addrs: right}})
	}
	left := func(link int) []netip.Prefix { l, _ := chainAddrs(link); return l }
	right := func(link int) []netip.Prefix { _, r := chainAddrs(link); return r }
	t.Routes = append(t.Routes, chainRoutes("cli", 1, right(0))...) // to srv through r1
	t.Routes = append(t.Routes, chainRoutes("srv", 0, left(3))...)  // back through r2
	t.Routes = append(t.Routes, chainRoutes("r2", 0, left(2))...)
	t.Routes = append(t.Routes, chainRoutes("r2", 1, right(3))...)
	t.Routes = append(t.Routes, chainRoutes("cli", 3, right(2))...)
	return t
}

// satellite is a delayed link; it lives as long as its process.
func satellite() Topology {
	t := about(Path(1500, 1400, PTB{}), "satellite", "a link with 250 ms each way, some jitter and 1% loss")
	t.Links[1].Delay = &Delay{OneWay: 250 * time.Millisecond, Jitter: 10 * time.Millisecond, Loss: 0.01, Seed: 1}
	return t
}
