package router

import (
	"fmt"
	"net/netip"

	"github.com/gaissmai/bart"
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

// Table is a set of routes for lookup by longest prefix. It never changes and
// may be shared.
type Table struct {
	trie   bart.Fast[int32] // index in routes
	routes []Route
}

// NewTable returns a table of routes. Of several routes for one prefix the
// first one counts, so that the caller's order is the order of preference. It
// refuses prefixes that aren't IPv6.
func NewTable(routes []Route) (*Table, error) {
	t := &Table{routes: make([]Route, 0, len(routes))}
	for i, r := range routes {
		if !r.Prefix.IsValid() || !r.Prefix.Addr().Is6() || r.Prefix.Addr().Is4In6() {
			return nil, fmt.Errorf("router: route %d: prefix %v is not IPv6", i, r.Prefix)
		}
		if r.Kind >= routeKinds {
			return nil, fmt.Errorf("router: route %d: %v: kind %d is not known", i, r.Prefix, r.Kind)
		}
		r.Prefix = r.Prefix.Masked()
		if _, known := t.trie.Get(r.Prefix); known {
			continue
		}
		t.trie.Insert(r.Prefix, int32(len(t.routes)))
		t.routes = append(t.routes, r)
	}
	return t, nil
}

// Len is the number of prefixes.
func (t *Table) Len() int { return len(t.routes) }

// Routes returns the routes in use. The caller must not change them.
func (t *Table) Routes() []Route { return t.routes }

// Lookup returns the route of the longest prefix that holds dst, nil without any.
func (t *Table) Lookup(dst netip.Addr) *Route {
	i, ok := t.trie.Lookup(dst)
	if !ok {
		return nil
	}
	return &t.routes[i]
}
