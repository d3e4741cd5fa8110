package router

import (
	"fmt"
	"net/netip"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
	"pathmtu/truncate"
)

// Port is an interface of the router.
type Port struct {
	Name string
	MTU  int // bytes of the largest IP packet that fits: 1280 to 65575
	// Addr is the source of ICMPv6 errors about packets that came in here.
	// Invalid: an address of another port.
	Addr netip.Addr
	// PointToPoint: a packet that would leave the way it came, straight to its
	// destination, is in a loop (RFC 4443 section 3.1).
	PointToPoint bool
	Policy       Policy // of packets that come in here
	// Truncate lets packets that don't fit this port's link leave cut.
	Truncate bool
}

// Treatment is what a router does with Hop-by-Hop options of one type.
type Treatment uint8

// Treatments (RFC 9673 section 5.2).
const (
	Skip    Treatment = iota // as if the action bits were 00; the default
	Process                  // only type 0x30
	Discard                  // drop the packet in silence
	Report                   // drop the packet; Parameter Problem code 2 if the action bits ask for it
	treatments
)

var treatmentNames = [treatments]string{"skip", "process", "discard", "report"}

func (t Treatment) String() string {
	if t < treatments {
		return treatmentNames[t]
	}
	return "unknown"
}

// ParseTreatment returns the treatment that s names.
func ParseTreatment(s string) (Treatment, error) {
	for i, n := range treatmentNames {
		if s == n {
			return Treatment(i), nil
		}
	}
	return 0, fmt.Errorf("router: treatment %q: want skip, process, discard or report", s)
}

// Policy is the Hop-by-Hop policy of one interface. The zero value doesn't
// look at Hop-by-Hop headers and forwards by the rest of the packet.
type Policy struct {
	// HopByHop: look at the header at all.
	HopByHop bool
	// Options is the lookup table by option type that RFC 9673 section 5.2.2
	// suggests.
	Options [256]Treatment
	// ActionBits honours the action bits of options that would be skipped: 01
	// drops the packet, 10 and 11 report it too (RFC 9673 section 5.2 makes
	// both a matter of configuration).
	ActionBits bool
	// MaxOptions is the number of options, from the first on, that are looked
	// at; the rest is skipped. 0: 8.
	MaxOptions int
	// DropMalformed drops packets with a malformed Hop-by-Hop header, or one
	// that exceeds Limits, with the error of RFC 4443 or RFC 8883. Otherwise
	// the options before the fault are processed, and the packet is forwarded.
	DropMalformed bool
	Limits        ip6.Limits
}

// ProcessMinPMTU returns the policy of RFC 9268: the option 0x30 is processed,
// all others are skipped.
func ProcessMinPMTU() Policy {
	p := Policy{HopByHop: true}
	p.Options[hbh.Type] = Process
	return p
}

// ProcessesMinPMTU reports whether the option 0x30 is processed.
func (p Policy) ProcessesMinPMTU() bool {
	return p.HopByHop && p.Options[hbh.Type] == Process
}

// Config describes a router.
type Config struct {
	Ports []Port
	// PacketTooBig is the budget of Packet Too Big messages (default 1000 a
	// second, burst 200), Errors that of all other ICMPv6 errors (default 100,
	// burst 50; RFC 4443 section 2.4 (f)), Truncations that of packets cut
	// (default 1000, burst 200). A source's /64 gets a quarter.
	PacketTooBig, Errors, Truncations Rate
	Truncate                          truncate.Router
}

// Validate names the first field that is wrong, and its value.
func (c Config) Validate() error {
	if len(c.Ports) == 0 {
		return fmt.Errorf("router: no ports")
	}
	for i, p := range c.Ports {
		if err := p.validate(); err != nil {
			return fmt.Errorf("router: port %d (%q): %w", i, p.Name, err)
		}
	}
	for _, r := range []struct {
		name string
		rate Rate
	}{{"PacketTooBig", c.PacketTooBig}, {"Errors", c.Errors}, {"Truncations", c.Truncations}} {
		if r.rate.Burst < 0 || r.rate.Burst != r.rate.Burst || r.rate.PerSecond != r.rate.PerSecond {
			return fmt.Errorf("router: %s: rate %v a second, burst %v", r.name, r.rate.PerSecond, r.rate.Burst)
		}
	}
	return c.Truncate.Codes.Validate()
}

func (p Port) validate() error {
	if p.MTU < ip6.MinMTU || p.MTU > ip6.MaxLen {
		return fmt.Errorf("MTU %d: want %d to %d", p.MTU, ip6.MinMTU, ip6.MaxLen)
	}
	if p.Addr.IsValid() && (!p.Addr.Is6() || p.Addr.Is4In6() || p.Addr.IsMulticast() || p.Addr.IsUnspecified()) {
		return fmt.Errorf("address %v: want an IPv6 unicast address", p.Addr)
	}
	if p.Policy.MaxOptions < 0 {
		return fmt.Errorf("MaxOptions %d: want 0 or more", p.Policy.MaxOptions)
	}
	for t, tr := range p.Policy.Options {
		switch {
		case tr >= treatments:
			return fmt.Errorf("option 0x%02x: treatment %d is not known", t, tr)
		case tr == Process && t != hbh.Type:
			return fmt.Errorf("option 0x%02x: treatment process: only 0x%02x can be processed", t, hbh.Type)
		case tr != Skip && (t == ip6.OptPad1 || t == ip6.OptPadN):
			return fmt.Errorf("option 0x%02x: treatment %v: padding is always skipped", t, tr)
		}
	}
	return nil
}

func (r Rate) or(perSecond, burst float64) Rate {
	if r == (Rate{}) {
		return Rate{PerSecond: perSecond, Burst: burst}
	}
	return r
}
