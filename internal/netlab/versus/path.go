package versus

import (
	"fmt"
	"slices"
	"time"

	"pathmtu/internal/netlab"
)

// Path is a network between the nodes "cli" and "srv".
type Path struct {
	Group    string
	Topology netlab.Topology
	RTT      time.Duration // of a delayed link; 0: none is delayed
	Loss     float64       // of the packets on that link, each way
	Runs     int           // how often each tool is run, with the seeds 1 to Runs
}

// Groups of paths, in the order of tables.
const (
	GroupDelivered = "PTB delivered"
	GroupFiltered  = "PTB filtered"
	GroupLying     = "PTB lies"
	GroupTwo       = "several narrow places"
	GroupRTT       = "RTT 20 and 100 ms"
	GroupLoss      = "1 % loss, RTT 20 ms"
)

var groups = []string{GroupDelivered, GroupFiltered, GroupLying, GroupTwo, GroupRTT, GroupLoss}

// How often each tool is run on a path: where nothing is left to chance, and
// where packets get lost.
const (
	steadyRuns = 3
	lossyRuns  = 10
)

func says(mtu int) netlab.PTB { return netlab.PTB{Mode: netlab.PTBLying, MTU: mtu} }

// Paths returns the plan.
func Paths() []Path {
	filtered := netlab.PTB{Mode: netlab.PTBFiltered}
	var all []Path
	add := func(group string, t netlab.Topology) *Path {
		all = append(all, Path{Group: group, Topology: t, Runs: steadyRuns})
		return &all[len(all)-1]
	}
	narrow := [][2]int{{9000, 1500}, {9000, 1420}, {9000, 1280}, {1500, 1492}, {1500, 1420}, {1500, 1413}, {1500, 1400}, {1500, 1280}}
	add(GroupDelivered, netlab.Path(9000, 9000, netlab.PTB{}))
	add(GroupDelivered, netlab.Path(1500, 1500, netlab.PTB{}))
	for _, n := range narrow {
		add(GroupDelivered, netlab.Path(n[0], n[1], netlab.PTB{}))
	}
	for _, n := range narrow {
		add(GroupFiltered, netlab.Path(n[0], n[1], filtered))
	}
	for _, lie := range [][3]int{
		{9000, 1500, 1440}, {1500, 1420, 1360}, // understated
		{9000, 1420, 1480}, {1500, 1400, 1460}, {1500, 1280, 1340}, // overstated
		{1500, 1492, 0}, {9000, 1413, 0}, {1500, 1280, 0},
	} {
		add(GroupLying, netlab.Path(lie[0], lie[1], says(lie[2])))
	}
	for _, ptb := range []netlab.PTB{{}, filtered} {
		add(GroupTwo, chain("two", ptb, 9000, 1500, 1420, 1500))
		add(GroupTwo, chain("far", ptb, 1500, 1492, 1500, 1413, 1500))
	}
	for _, name := range []string{"half-silent", "staircase"} {
		if t, ok := netlab.FindTopology(name); ok {
			add(GroupTwo, t)
		}
	}
	for _, rtt := range []time.Duration{20 * time.Millisecond, 100 * time.Millisecond} {
		for _, t := range []netlab.Topology{netlab.Path(9000, 1500, netlab.PTB{}), netlab.Path(1500, 1420, netlab.PTB{}), netlab.Path(1500, 1420, filtered)} {
			add(GroupRTT, t).delay(rtt, 0)
		}
	}
	for _, t := range []netlab.Topology{netlab.Path(1500, 1500, netlab.PTB{}), netlab.Path(1500, 1420, netlab.PTB{}), netlab.Path(1500, 1420, filtered)} {
		p := add(GroupLoss, t)
		p.delay(20*time.Millisecond, 0.01)
		p.Runs = lossyRuns
	}
	return all
}

func chain(name string, ptb netlab.PTB, mtus ...int) netlab.Topology {
	return netlab.Chain(fmt.Sprintf("%s-%s", name, ptb.Mode), ptb, mtus...)
}

// delay delays the last link, which is as wide as the first one.
func (p *Path) delay(rtt time.Duration, loss float64) {
	p.RTT, p.Loss = rtt, loss
	p.Topology.Name += fmt.Sprintf("-%dms", rtt.Milliseconds())
}

// Name says which path it is.
func (p Path) Name() string {
	if p.Loss > 0 {
		return fmt.Sprintf("%s, %g %% loss", p.Topology.Name, 100*p.Loss)
	}
	return p.Topology.Name
}

// network returns the topology of one run.
func (p Path) network(seed int) netlab.Topology {
	t := p.Topology
	if p.RTT == 0 {
		return t
	}
	t.Links = slices.Clone(t.Links)
	t.Links[len(t.Links)-1].Delay = &netlab.Delay{OneWay: p.RTT / 2, Loss: p.Loss, Seed: uint64(seed)}
	return t
}

// Truth is what a tool should say of a path.
type Truth struct {
	MTU int
	// Router is the address of the router before the narrowest link, as its ICMP
	// errors show it; "": no link is narrower than the first one.
	Router string
}

// Truth computes it from the topology alone, in one family (4 or 6).
func (p Path) Truth(family int) (Truth, error) {
	t := p.Topology
	srv, ok := t.Addr("srv", family)
	if !ok {
		return Truth{}, fmt.Errorf("topology %q: srv has no IPv%d address", t.Name, family)
	}
	walk, err := t.Walk("cli", srv)
	if err != nil {
		return Truth{}, err
	}
	truth := Truth{MTU: walk.MTU()}
	at := slices.IndexFunc(walk, func(h netlab.Hop) bool { return h.Limit() == truth.MTU })
	if at == 0 {
		return truth, nil
	}
	for _, l := range t.Links { // towards the client
		if l.A.Node != walk[at-1].From || l.B.Node != walk[at].From {
			continue
		}
		for _, a := range l.B.Addrs {
			if a.Addr().Is4() == (family == 4) {
				truth.Router = a.Addr().String()
			}
		}
	}
	return truth, nil
}
