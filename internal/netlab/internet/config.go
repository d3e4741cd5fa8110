package internet

import (
	"fmt"
	"time"
)

// Share is a weight spread evenly over the path MTUs from Lo to Hi.
type Share struct {
	Lo     int     `json:"lo"`
	Hi     int     `json:"hi"`
	Weight float64 `json:"weight"`
}

// Config describes a World. All probabilities are shares of 1.
type Config struct {
	Seed uint64 `json:"seed"`
	// Edge is the MTU of the first hop's link, 1280 to 65535: larger path MTUs
	// count as this.
	Edge int     `json:"edge"`
	MTU4 []Share `json:"mtu4"` // of IPv4 paths
	MTU6 []Share `json:"mtu6"` // of IPv6 paths; below 1280 counts as 1280
	// Together is the share of hosts whose path is that of their whole /24 or
	// /48, as far as its MTU goes.
	Together float64 `json:"together"`

	Exists      float64 `json:"exists"`
	Unreachable float64 `json:"unreachable"` // of those who don't exist: a router says so
	Loss        float64 `json:"loss"`        // of the packets, each way

	DelayLeast time.Duration `json:"delay_least_ns"` // there and back
	DelayMost  time.Duration `json:"delay_most_ns"`

	Filtered   float64 `json:"filtered"`    // of bottlenecks: they drop in silence
	Lying      float64 `json:"lying"`       // of bottlenecks: they name a wrong MTU
	PTBLimited float64 `json:"ptb_limited"` // of the rest: at most one message a second
	Double     float64 `json:"double"`      // of bottlenecks: there is a wider one before it
	ShortQuote float64 `json:"short_quote"` // of routers: they quote 8 bytes of an IPv4 packet's payload

	Echo        float64 `json:"echo"`         // of hosts: they answer ICMP echo
	EchoLimited float64 `json:"echo_limited"` // of those: after a burst of 3, one a second
	EchoCapped  float64 `json:"echo_capped"`  // of those: not above some size
	ClosedPort  float64 `json:"closed_port"`  // of hosts: they answer UDP to closed ports
	QUIC        float64 `json:"quic"`         // of hosts: version negotiation, UDP port 443
	DNS         float64 `json:"dns"`          // of hosts: UDP port 53
	Reverse     float64 `json:"reverse"`      // of hosts: the way back carries less
	HopByHop    float64 `json:"hop_by_hop"`   // of IPv6 paths: they carry Hop-by-Hop options
}

// Default returns an Internet with everything that is known to go wrong, some
// of it more often than it does. Its path MTUs are no measurement.
func Default() Config {
	return Config{
		Seed: 1, Edge: 1500,
		MTU4: []Share{
			{1500, 1500, 52}, {1492, 1492, 12}, {1480, 1480, 3}, {1476, 1476, 2}, {1472, 1472, 1},
			{1464, 1464, 1}, {1460, 1460, 4}, {1456, 1456, 1}, {1454, 1454, 2}, {1450, 1450, 2},
			{1440, 1440, 2}, {1428, 1428, 1}, {1420, 1420, 3}, {1400, 1400, 3}, {1372, 1372, 1},
			{1280, 1280, 1}, {576, 576, 0.5}, {1280, 1499, 7}, {576, 1279, 1.5},
		},
		MTU6: []Share{
			{1500, 1500, 55}, {1492, 1492, 9}, {1480, 1480, 9}, {1472, 1472, 2}, {1460, 1460, 2},
			{1452, 1452, 1}, {1440, 1440, 2}, {1428, 1428, 1}, {1420, 1420, 3}, {1400, 1400, 2},
			{1280, 1280, 7}, {1280, 1499, 7},
		},
		Together: 0.6,
		Exists:   0.9, Unreachable: 0.2, Loss: 0.01,
		DelayLeast: 5 * time.Millisecond, DelayMost: 300 * time.Millisecond,
		Filtered: 0.2, Lying: 0.03, PTBLimited: 0.05, Double: 0.1, ShortQuote: 0.2,
		Echo: 1, EchoLimited: 0.03, EchoCapped: 0, ClosedPort: 0.8, QUIC: 0.2, DNS: 0.1,
		Reverse: 0.02, HopByHop: 0.6,
	}
}

// ConfigError reports a field of a Config that is out of range.
type ConfigError struct {
	Field string
	Value any
	Want  string
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("internet: %s is %v, want %s", e.Field, e.Value, e.Want)
}

func (c *Config) validate() error {
	if c.Edge < 1280 || c.Edge > 65535 {
		return &ConfigError{"edge", c.Edge, "1280 to 65535 bytes"}
	}
	for name, p := range map[string]float64{
		"together": c.Together, "exists": c.Exists, "unreachable": c.Unreachable, "loss": c.Loss,
		"filtered": c.Filtered, "lying": c.Lying, "ptb_limited": c.PTBLimited, "double": c.Double,
		"short_quote": c.ShortQuote, "echo": c.Echo, "echo_limited": c.EchoLimited,
		"echo_capped": c.EchoCapped, "closed_port": c.ClosedPort, "quic": c.QUIC, "dns": c.DNS,
		"reverse": c.Reverse, "hop_by_hop": c.HopByHop, "filtered + lying": c.Filtered + c.Lying,
	} {
		if !(p >= 0 && p <= 1) {
			return &ConfigError{name, p, "0 to 1"}
		}
	}
	if c.DelayLeast < 0 || c.DelayMost < c.DelayLeast || c.DelayMost > MaxDelay {
		return &ConfigError{"delay", fmt.Sprintf("%v to %v", c.DelayLeast, c.DelayMost), fmt.Sprintf("0 to %v", MaxDelay)}
	}
	for name, shares := range map[string][]Share{"mtu4": c.MTU4, "mtu6": c.MTU6} {
		if len(shares) == 0 {
			return &ConfigError{name, "empty", "at least one share"}
		}
		for _, s := range shares {
			if s.Lo < 68 || s.Hi < s.Lo || s.Hi > 65535 || !(s.Weight > 0 && s.Weight < 1e12) {
				return &ConfigError{name, s, "68 <= lo <= hi <= 65535 and a weight above 0"}
			}
		}
	}
	return nil
}

// quantiles returns path MTUs such that each of them is as likely as the next.
func quantiles(shares []Share, least, most int) []uint16 {
	const n = 1 << 16
	weight := make([]float64, most+1)
	total := 0.0
	for _, s := range shares {
		each := s.Weight / float64(s.Hi-s.Lo+1)
		for m := s.Lo; m <= s.Hi; m++ {
			weight[min(max(m, least), most)] += each
		}
		total += s.Weight
	}
	out := make([]uint16, 0, n)
	sum := 0.0
	for m, w := range weight {
		sum += w
		for float64(len(out)) < sum/total*n && len(out) < n {
			out = append(out, uint16(m))
		}
	}
	for len(out) < n { // rounding
		out = append(out, out[len(out)-1])
	}
	return out
}
