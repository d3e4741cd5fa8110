//go:build !linux

package udpsock

import (
	"fmt"
	"net"
	"net/netip"
)

// Hops looks up first hops. It is safe for concurrent use.
type Hops struct{}

// OpenHops returns a Hops. Close it after use.
func OpenHops() (*Hops, error) { return &Hops{}, nil }

// Close releases what Hops holds.
func (h *Hops) Close() error { return nil }

// to finds the interface by the address that a connected socket gets.
func (h *Hops) to(dst, src netip.Addr) (Hop, error) {
	c, err := connected(dst, src)
	if err != nil {
		return Hop{}, err
	}
	defer c.Close()
	local := c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap().WithZone("")
	if local == dst {
		local = loopback(dst)
	}
	ifis, err := net.Interfaces()
	if err != nil {
		return Hop{}, fmt.Errorf("udpsock: interfaces: %w", err)
	}
	for _, ifi := range ifis {
		addrs, err := ifi.Addrs()
		if err != nil {
			continue
		}
		if z := dst.Zone(); z != "" && z != ifi.Name {
			continue
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Unmap().WithZone("") == local {
				return Hop{Interface: ifi.Name, MTU: ifi.MTU}, nil
			}
		}
	}
	return Hop{}, fmt.Errorf("udpsock: no interface has the address %v", local)
}

// loopback: packets to an address of this host pass the loopback interface.
func loopback(dst netip.Addr) netip.Addr {
	if dst.Is4() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

// CachedPathMTU returns an *UnsupportedError.
func CachedPathMTU(dst, src netip.Addr) (int, error) { return 0, unsupported(FeatureCachedMTU) }
