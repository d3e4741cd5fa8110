package datapath

import (
	"net/netip"

	"pathmtu/internal/router"
)

// PortSpec describes one port of a UserRouter.
type PortSpec struct {
	Name string
	Kind Kind
	// MTU in bytes overrides that of the interface; 0 follows the interface.
	// A TUN interface gets it.
	MTU int
	// Addr is the source of ICMPv6 errors; invalid: the interface's first
	// global address.
	Addr netip.Addr
	// Own are addresses that no kernel owns: packets to them go to Local, and
	// so do Neighbor Solicitations for them.
	Own      []netip.Addr
	Policy   router.Policy
	Truncate bool
}

// StaticRoute is a route given by the user. It takes precedence over one of
// the kernel for the same prefix.
type StaticRoute struct {
	Prefix netip.Prefix
	Kind   router.RouteKind
	Port   string     // egress, for kind Unicast
	Via    netip.Addr // next hop; invalid: on the link
}

// UserRouterConfig describes a UserRouter.
type UserRouterConfig struct {
	Ports  []PortSpec
	Routes []StaticRoute
	// KernelRoutes also uses the routes of the namespace's main table that
	// leave through AF_PACKET and AF_XDP ports, and follows their changes.
	KernelRoutes bool
	// FastPath forwards plain packets in the kernel's XDP hook, between AF_XDP
	// ports. It needs KernelRoutes, and forwarding switched on in the
	// namespace, since it looks routes up in the kernel's table.
	FastPath bool
	// GenericXDP accepts interfaces whose driver has no XDP hook; slow.
	GenericXDP bool
	// Local gets the packets to the Own addresses of all ports. It may be nil.
	Local Local
	// Host forwards nothing.
	Host bool
	// Router holds budgets and truncation. Its Ports are ignored.
	Router router.Config
}
