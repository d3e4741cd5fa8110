package probe

import (
	"errors"
	"fmt"
	"slices"
)

// Names returns the names of all methods.
func Names() []string {
	return []string{"icmp", "udp", "quic", "dns", "stun", "ntp", "tcp", "udpopt", "hbh", "truncate"}
}

// CarrierOf returns how the packets of the method of that name are sent; false:
// there is none.
func CarrierOf(name string) (Carrier, bool) {
	switch name {
	case "icmp":
		return ICMPEcho, true
	case "udp", "quic", "dns", "stun", "ntp":
		return UDP, true
	case "tcp":
		return TCP, true
	case "udpopt", "hbh", "truncate":
		return IP, true
	}
	return 0, false
}

// ErrIPv6Only says that a method is one of IPv6, and the target isn't.
var ErrIPv6Only = errors.New("is of IPv6 only")

// ErrNoSource says that a method needs Target.Source, of the target's family.
var ErrNoSource = errors.New("needs the source address of its packets")

// NewMethod returns the method of that name. Port is the UDP port, 0 for the
// method's own; id is the identifier of ICMP echo, also that of hbh and truncate, or
// the local port of tcp and udpopt.
func NewMethod(name string, t Target, port, id uint16) (Method, error) {
	if n := len(t.Attribution); n > MaxAttribution {
		return nil, fmt.Errorf("probe: attribution is %d bytes, want at most %d", n, MaxAttribution)
	}
	if slices.Contains([]byte(t.Attribution), 0) {
		return nil, fmt.Errorf("probe: attribution %q: want no NUL in it", t.Attribution)
	}
	if c, ok := CarrierOf(name); ok && c == IP {
		return newWhole(name, t, port, id)
	}
	switch name {
	case "icmp":
		return NewICMP(t, id), nil
	case "udp":
		return NewUDP(t, port), nil
	case "quic":
		return NewQUIC(t, port), nil
	case "dns":
		return NewDNS(t, port), nil
	case "stun":
		return NewSTUN(t, port), nil
	case "ntp":
		return NewNTP(t, port), nil
	case "tcp":
		return NewTCP(t, port, id), nil
	}
	return nil, fmt.Errorf("probe: method %q: want one of %v", name, Names())
}

// newWhole returns a method that makes whole IP packets.
func newWhole(name string, t Target, port, id uint16) (Method, error) {
	if !t.Source.IsValid() || t.Source.Unmap().Is4() != t.Addr.Unmap().Is4() {
		return nil, fmt.Errorf("probe: method %s %w", name, ErrNoSource)
	}
	if name == "udpopt" {
		return NewUDPOptions(t, port, id), nil
	}
	if t.Addr.Unmap().Is4() {
		return nil, fmt.Errorf("probe: method %s %w", name, ErrIPv6Only)
	}
	if name == "hbh" {
		return NewMinPMTU(t, id), nil
	}
	return NewTruncation(t, id), nil
}

// MaxAttribution is the length of the longest attribution, in bytes.
const MaxAttribution = 200

// DefaultPort returns the UDP port that a method uses if none is given; 0 for
// one without ports.
func DefaultPort(name string) uint16 {
	switch name {
	case "udp":
		return 33434 // where traceroute expects nobody to listen
	case "quic":
		return 443
	case "dns":
		return 53
	case "stun":
		return 3478
	case "ntp":
		return 123
	case "tcp":
		return 80
	case "udpopt":
		return 7 // echo: what answers UDP Options there answers all that it can
	}
	return 0
}

func orDefault(port uint16, name string) uint16 {
	if port == 0 {
		return DefaultPort(name)
	}
	return port
}
