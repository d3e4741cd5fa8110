package udpsock

import (
	"fmt"
	"net"
	"net/netip"
)

// Hop is the first hop towards a destination.
type Hop struct {
	// Interface is the interface that packets leave through.
	Interface string
	// MTU is that interface's, in bytes of IP packet. It bounds every packet.
	MTU int
	// RouteMTU is an MTU that an administrator attached to the route, 0 if
	// there is none. It is not a path MTU that the kernel has learned. Linux
	// only.
	RouteMTU int
}

// FirstHop looks up the route to a destination. src may be the zero Addr; if
// the socket is bound to an address, it belongs here. Nothing is sent.
//
// The result is local knowledge, the right MAX_PLPMTU before the headers come
// off (RFC 8899 section 3, item 5), and never what the kernel has cached from
// ICMP messages. The error says that there is no route, or that the addresses
// are not of one family.
func FirstHop(dst, src netip.Addr) (Hop, error) {
	h, err := OpenHops()
	if err != nil {
		return Hop{}, err
	}
	defer h.Close()
	return h.To(dst, src)
}

// To does what FirstHop does, without opening anything.
func (h *Hops) To(dst, src netip.Addr) (Hop, error) {
	dst, src = dst.Unmap(), src.Unmap()
	if !dst.IsValid() {
		return Hop{}, fmt.Errorf("udpsock: destination is the zero address, want an IP address")
	}
	if src.IsUnspecified() {
		src = netip.Addr{}
	}
	if src.IsValid() && src.Is4() != dst.Is4() {
		return Hop{}, fmt.Errorf("udpsock: source %v and destination %v are of different families", src, dst)
	}
	return h.to(dst, src)
}

// connected returns a UDP socket connected to a destination. Nothing is sent.
func connected(dst, src netip.Addr) (*net.UDPConn, error) {
	var local *net.UDPAddr
	if src.IsValid() {
		local = net.UDPAddrFromAddrPort(netip.AddrPortFrom(src, 0))
	}
	// The port doesn't matter: discard.
	c, err := net.DialUDP("udp", local, net.UDPAddrFromAddrPort(netip.AddrPortFrom(dst, 9)))
	if err != nil {
		return nil, fmt.Errorf("udpsock: no route to %v: %w", dst, err)
	}
	return c, nil
}
