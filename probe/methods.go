package probe

import (
	"fmt"
	"slices"
)

// Names returns the names of all methods.
func Names() []string { return []string{"icmp", "udp", "quic", "dns", "stun", "ntp", "tcp"} }

// NewMethod returns the method of that name. Port is the UDP port, 0 for the
// method's own; id is the identifier of ICMP echo, or the local port of tcp.
func NewMethod(name string, t Target, port, id uint16) (Method, error) {
	if n := len(t.Attribution); n > MaxAttribution {
		return nil, fmt.Errorf("probe: attribution is %d bytes, want at most %d", n, MaxAttribution)
	}
	if slices.Contains([]byte(t.Attribution), 0) {
		return nil, fmt.Errorf("probe: attribution %q: want no NUL in it", t.Attribution)
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
	}
	return 0
}

func orDefault(port uint16, name string) uint16 {
	if port == 0 {
		return DefaultPort(name)
	}
	return port
}
