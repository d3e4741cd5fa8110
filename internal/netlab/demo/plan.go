package demo

import "pathmtu/internal/netlab"

// Path is one path of the plan: cli --Edge-- r1 --Bottleneck-- r2 --Edge-- srv.
type Path struct {
	Edge       int        `json:"edge"`
	Bottleneck int        `json:"bottleneck"`
	PTB        netlab.PTB `json:"-"`
}

// Topology returns the network of the path.
func (p Path) Topology() netlab.Topology { return netlab.Path(p.Edge, p.Bottleneck, p.PTB) }

// lies gives each bottleneck its kind of lie; 60 below and above the truth,
// and the zero of routers older than RFC 1191.
func lies(edge, bottleneck int) netlab.PTB {
	lie := netlab.PTB{Mode: netlab.PTBLying}
	switch {
	case edge == 9000 && bottleneck == 1500, edge == 1500 && bottleneck == 1420:
		lie.MTU = bottleneck - 60
	case edge == 9000 && bottleneck == 1420, edge == 1500 && bottleneck == 1492:
		lie.MTU = 0
	default:
		lie.MTU = bottleneck + 60
	}
	return lie
}

// Paths returns the plan: both edges, every bottleneck, and where the
// bottleneck is smaller than the edge its router's packet-too-big messages
// delivered, filtered and lying.
func Paths() []Path {
	var plan []Path
	for _, edge := range []int{9000, 1500} {
		for _, bottleneck := range []int{9000, 1500, 1492, 1420, 1280} {
			if bottleneck >= edge {
				if bottleneck == 9000 {
					plan = append(plan, Path{Edge: edge, Bottleneck: bottleneck})
				}
				continue
			}
			plan = append(plan,
				Path{Edge: edge, Bottleneck: bottleneck},
				Path{Edge: edge, Bottleneck: bottleneck, PTB: netlab.PTB{Mode: netlab.PTBFiltered}},
				Path{Edge: edge, Bottleneck: bottleneck, PTB: lies(edge, bottleneck)})
		}
	}
	return plan
}
