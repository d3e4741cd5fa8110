package router

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
)

// RouteKind says what becomes of packets that a route matches.
type RouteKind uint8

// Kinds of routes.
const (
	Unicast     RouteKind = iota // forward to Out, by way of Next
	Local                        // the router's own address
	Unreachable                  // drop, Destination Unreachable code 0
	Prohibit                     // drop, Destination Unreachable code 1
	Blackhole                    // drop in silence
	routeKinds
)

var routeKindNames = [routeKinds]string{"unicast", "local", "unreachable", "prohibit", "blackhole"}

func (k RouteKind) String() string {
	if k < routeKinds {
		return routeKindNames[k]
	}
	return "unknown"
}

// Route is one entry of a Table.
type Route struct {
	Prefix netip.Prefix
	Kind   RouteKind
	Out    int        // index of the egress port, for Unicast
	Next   netip.Addr // next hop; invalid: the destination itself is on the link
}

// Table is a set of routes for lookup by longest prefix. It is a binary trie
// with compressed paths: a lookup takes at most one step for each route on the
// way down, and no more than 129. It never changes and may be shared.
type Table struct {
	nodes  []node
	routes []Route
}

type node struct {
	hi, lo uint64
	len    uint8
	route  int32 // index in routes; -1: none, the node only branches
	child  [2]int32
}

// NewTable returns a table of routes. Of several routes for one prefix the
// first one counts, so that the caller's order is the order of preference. It
// refuses prefixes that aren't IPv6.
func NewTable(routes []Route) (*Table, error) {
	t := &Table{routes: make([]Route, 0, len(routes))}
	t.nodes = append(t.nodes, node{route: -1, child: [2]int32{-1, -1}})
	for i, r := range routes {
		if !r.Prefix.IsValid() || !r.Prefix.Addr().Is6() || r.Prefix.Addr().Is4In6() {
			return nil, fmt.Errorf("router: route %d: prefix %v is not IPv6", i, r.Prefix)
		}
		if r.Kind >= routeKinds {
			return nil, fmt.Errorf("router: route %d: %v: kind %d is not known", i, r.Prefix, r.Kind)
		}
		r.Prefix = r.Prefix.Masked()
		t.insert(r)
	}
	return t, nil
}

// Len is the number of prefixes.
func (t *Table) Len() int { return len(t.routes) }

// Routes returns the routes in use. The caller must not change them.
func (t *Table) Routes() []Route { return t.routes }

// Lookup returns the route of the longest prefix that holds dst, nil without any.
func (t *Table) Lookup(dst netip.Addr) *Route {
	a := dst.As16()
	return t.lookup(binary.BigEndian.Uint64(a[:]), binary.BigEndian.Uint64(a[8:]))
}

func (t *Table) lookup(hi, lo uint64) *Route {
	best := int32(-1)
	for i := int32(0); i >= 0; {
		n := &t.nodes[i]
		if common(hi, lo, n.hi, n.lo) < int(n.len) {
			break
		}
		if n.route >= 0 {
			best = n.route
		}
		if n.len == 128 {
			break
		}
		i = n.child[bit(hi, lo, n.len)]
	}
	if best < 0 {
		return nil
	}
	return &t.routes[best]
}

func (t *Table) insert(r Route) {
	a := r.Prefix.Addr().As16()
	hi, lo, n := binary.BigEndian.Uint64(a[:]), binary.BigEndian.Uint64(a[8:]), uint8(r.Prefix.Bits())
	at := int32(0)
	for {
		cur := &t.nodes[at]
		if cur.len == n {
			if cur.route < 0 {
				cur.route = t.add(r)
			}
			return
		}
		b := bit(hi, lo, cur.len)
		next := cur.child[b]
		if next < 0 {
			t.link(at, b, node{hi: hi, lo: lo, len: n, route: t.add(r), child: [2]int32{-1, -1}})
			return
		}
		c := t.nodes[next]
		same := min(common(hi, lo, c.hi, c.lo), int(n), int(c.len))
		if same == int(c.len) {
			at = next
			continue
		}
		// The child's path and ours part at bit "same": put a node there.
		mid := node{len: uint8(same), route: -1, child: [2]int32{-1, -1}}
		mid.hi, mid.lo = masked(hi, lo, same)
		mid.child[bit(c.hi, c.lo, mid.len)] = next
		at = t.link(at, b, mid)
	}
}

func (t *Table) add(r Route) int32 {
	t.routes = append(t.routes, r)
	return int32(len(t.routes) - 1)
}

func (t *Table) link(parent int32, b int, n node) int32 {
	t.nodes = append(t.nodes, n)
	i := int32(len(t.nodes) - 1)
	t.nodes[parent].child[b] = i
	return i
}

// common is the number of leading bits that two addresses share.
func common(ahi, alo, bhi, blo uint64) int {
	if x := ahi ^ bhi; x != 0 {
		return bits.LeadingZeros64(x)
	}
	return 64 + bits.LeadingZeros64(alo^blo)
}

// bit is bit i of an address, from the left.
func bit(hi, lo uint64, i uint8) int {
	if i < 64 {
		return int(hi >> (63 - i) & 1)
	}
	return int(lo >> (127 - i) & 1)
}

func masked(hi, lo uint64, n int) (uint64, uint64) {
	if n <= 64 {
		return hi &^ (^uint64(0) >> n), 0
	}
	return hi, lo &^ (^uint64(0) >> (n - 64))
}
