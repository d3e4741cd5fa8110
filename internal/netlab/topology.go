package netlab

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Kind says what a node does with packets that are not for itself.
type Kind uint8

const (
	Host   Kind = iota // drops them
	Router             // forwards them
)

// String returns "host" or "router".
func (k Kind) String() string {
	switch k {
	case Host:
		return "host"
	case Router:
		return "router"
	}
	return "BUG"
}

// PTBMode says what becomes of the packet-too-big messages that a node sends:
// ICMP type 3 code 4 (RFC 1191) and ICMPv6 type 2 (RFC 4443 section 3.2).
type PTBMode uint8

const (
	PTBDelivered PTBMode = iota // as the kernel writes them
	PTBFiltered                 // dropped: the path is a black hole
	PTBLying                    // the MTU field is rewritten, the checksum stays right
)

// String returns "delivered", "filtered" or "lying".
func (m PTBMode) String() string {
	switch m {
	case PTBDelivered:
		return "delivered"
	case PTBFiltered:
		return "filtered"
	case PTBLying:
		return "lying"
	}
	return "BUG"
}

// PTB is the packet-too-big behaviour of one node. The zero value delivers.
type PTB struct {
	Mode PTBMode
	MTU  int // the lie, with PTBLying only: 0 to 65535
}

// String returns the mode, with the number told when it is a lie.
func (p PTB) String() string {
	if p.Mode == PTBLying {
		return fmt.Sprintf("says %d", p.MTU)
	}
	return p.Mode.String()
}

// Node is one namespace.
type Node struct {
	Name string // 1 to 8 letters and digits
	Kind Kind
	PTB  PTB
	// ICMPUnlimited lifts the kernel's rate limits on ICMP errors. Without it
	// a node answers UDP to a closed port as any Linux host does: a burst of
	// six, then one a second (IPv4) or one per 100 ms (IPv6).
	ICMPUnlimited bool
	// Sysctls are written last, name with dots to value.
	Sysctls map[string]string
}

// Loss drops packets that arrive over one end of a link, without a word.
type Loss struct {
	// Above spares packets up to this size: only larger ones may be lost.
	Above int
	// Percent of the packets is lost at random; 100 is a black hole.
	Percent float64
	// Every loses exactly one packet of this many instead, counted from the
	// first, for tests that must not depend on chance. Exclusive with Percent.
	Every int
}

// End is one side of a link.
type End struct {
	Node  string
	MTU   int // what this side sends: 68 to 65535, with IPv6 at least 1280
	Addrs []netip.Prefix
	Loss  []Loss // of the packets arriving here
}

// Delay makes a link a user-space one (a TUN device on either side) with a
// propagation delay and faults. Each direction has its own queue.
type Delay struct {
	OneWay    time.Duration // propagation, at least 0
	Jitter    time.Duration // up to this much is added, uniformly; reorders when larger than the gap
	Loss      float64       // probability, 0 to 1
	Duplicate float64       // probability, 0 to 1
	Reorder   float64       // probability that a packet skips the propagation delay, 0 to 1
	Queue     int           // packets in flight in one direction before the tail is dropped; 0: 1000
	Seed      uint64        // of both directions' random numbers
}

// Link joins two nodes. When the ends have different MTUs the smaller one also
// limits what the larger one gets through, silently: see [Topology.Walk].
type Link struct {
	A, B  End
	Delay *Delay // nil: a veth pair
}

// Route is a static route of one node.
type Route struct {
	Node string
	Dst  netip.Prefix
	Via  netip.Addr // on a link of Node
}

// Topology is a network as data.
type Topology struct {
	Name    string
	About   string // one line
	Picture string // drawn by hand; empty: Draw makes one
	Nodes   []Node
	Links   []Link
	Routes  []Route
}

// Validate reports everything that is wrong with the topology, naming the
// field and the value.
func (t Topology) Validate() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("topology %q: "+format, append([]any{t.Name}, args...)...))
	}
	if !plainName(t.Name, 32, true) {
		bad("name must be 1 to 32 letters, digits or dashes")
	}
	kinds := map[string]Kind{}
	for _, n := range t.Nodes {
		if !plainName(n.Name, 8, false) {
			bad("node %q: name must be 1 to 8 letters or digits", n.Name)
		}
		if _, twice := kinds[n.Name]; twice {
			bad("node %q: defined twice", n.Name)
		}
		kinds[n.Name] = n.Kind
		if n.PTB.MTU < 0 || n.PTB.MTU > 65535 {
			bad("node %q: PTB.MTU %d is not in 0..65535", n.Name, n.PTB.MTU)
		}
		if n.PTB.Mode != PTBLying && n.PTB.MTU != 0 {
			bad("node %q: PTB.MTU %d without PTBLying", n.Name, n.PTB.MTU)
		}
	}
	addrs := map[netip.Addr]string{}
	for i, l := range t.Links {
		if l.A.Node == l.B.Node {
			bad("link %d: both ends at node %q", i, l.A.Node)
		}
		for _, e := range []End{l.A, l.B} {
			if _, ok := kinds[e.Node]; !ok {
				bad("link %d: unknown node %q", i, e.Node)
			}
			if err := e.validate(addrs); err != nil {
				bad("link %d: %w", i, err)
			}
		}
		if l.Delay != nil {
			if err := l.Delay.validate(); err != nil {
				bad("link %d: %w", i, err)
			}
		}
	}
	for i, r := range t.Routes {
		if _, ok := kinds[r.Node]; !ok {
			bad("route %d: unknown node %q", i, r.Node)
		}
		if !r.Dst.IsValid() || r.Dst != r.Dst.Masked() {
			bad("route %d: Dst %v is not a network", i, r.Dst)
		}
		if _, ok := t.egress(r.Node, r.Via); !ok {
			bad("route %d: Via %v is on no link of node %q", i, r.Via, r.Node)
		}
	}
	return errors.Join(errs...)
}

func (e End) validate(seen map[netip.Addr]string) error {
	if e.MTU < 68 || e.MTU > 65535 {
		return fmt.Errorf("MTU %d of node %q is not in 68..65535", e.MTU, e.Node)
	}
	for _, p := range e.Addrs {
		if !p.IsValid() {
			return fmt.Errorf("invalid address of node %q", e.Node)
		}
		if p.Addr().Is6() && e.MTU < 1280 {
			return fmt.Errorf("MTU %d of node %q is too small for IPv6 address %v (at least 1280)", e.MTU, e.Node, p)
		}
		if other, twice := seen[p.Addr()]; twice {
			return fmt.Errorf("address %v is at node %q and at node %q", p.Addr(), other, e.Node)
		}
		seen[p.Addr()] = e.Node
	}
	for _, l := range e.Loss {
		if l.Percent < 0 || l.Percent > 100 || l.Every < 0 || l.Above < 0 {
			return fmt.Errorf("loss %+v at node %q is out of range", l, e.Node)
		}
		if (l.Percent > 0) == (l.Every > 0) {
			return fmt.Errorf("loss %+v at node %q: give Percent or Every, not both", l, e.Node)
		}
	}
	return nil
}

func (d Delay) validate() error {
	if d.OneWay < 0 || d.Jitter < 0 || d.Queue < 0 {
		return fmt.Errorf("delay %+v: negative OneWay, Jitter or Queue", d)
	}
	for _, p := range []float64{d.Loss, d.Duplicate, d.Reorder} {
		if !(p >= 0 && p <= 1) {
			return fmt.Errorf("delay %+v: probability %v is not in 0..1", d, p)
		}
	}
	return nil
}

// node returns the node of that name.
func (t Topology) node(name string) (Node, bool) {
	for _, n := range t.Nodes {
		if n.Name == name {
			return n, true
		}
	}
	return Node{}, false
}

// Addr returns the first address of a node in one family: 4 or 6.
func (t Topology) Addr(node string, family int) (netip.Addr, bool) {
	for _, l := range t.Links {
		for _, e := range []End{l.A, l.B} {
			if e.Node != node {
				continue
			}
			for _, p := range e.Addrs {
				if p.Addr().Is4() == (family == 4) {
					return p.Addr(), true
				}
			}
		}
	}
	return netip.Addr{}, false
}

func plainName(s string, most int, dash bool) bool {
	if s == "" || len(s) > most || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, c := range s {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', dash && c == '-':
		default:
			return false
		}
	}
	return true
}
