package trace

import (
	"fmt"
	"net/netip"
	"time"

	"pathmtu/probe"
)

// Defaults of Config and Budget.
const (
	DefaultMaxHops = 30
	DefaultProbes  = 3
	DefaultTimeout = time.Second
	DefaultPackets = 1000
	DefaultBytes   = 8 << 20
	DefaultErrors  = 3000
	DefaultTime    = 2 * time.Minute
)

// minTimeout is the shortest wait for an answer, however near a router is.
const minTimeout = 200 * time.Millisecond

// Budget bounds what a Trace spends. When it is used up, the Trace ends with
// what it knows. The zero value of each field chooses the default.
type Budget struct {
	Packets int           // sent. Default 1000
	Bytes   int64         // sent, of IP packets. Default 8 MiB
	Errors  int           // ICMP errors that are looked at. Default 3000
	Time    time.Duration // from the first Poll. Default 2 minutes
}

// Config says what a Trace does. The zero value of each optional field chooses
// the documented default.
type Config struct {
	Source, Target netip.Addr // of one family
	// SourcePort and Port are the UDP ports of the flow; Port should be closed.
	SourcePort, Port uint16
	FlowLabel        uint32 // of IPv6, 20 bits
	Key              probe.Key
	// Attribution is a URI that says who measures and why (RFC 9511). "": none.
	Attribution string
	// FirstHop is the MTU of the link that packets leave by. Bytes.
	FirstHop int
	// MaxHops is how far to look. Zero: 30. 1 to 64.
	MaxHops int
	// Probes is how often a question is asked before silence is the answer.
	// Zero: 3. 1 to 10.
	Probes int
	// Timeout is the longest wait for an answer. Zero: 1 s.
	Timeout time.Duration
	// Whole says that Packet.Data are whole IP packets, and that Received gets
	// them. Otherwise they are UDP payloads: only hops and bottleneck are found.
	Whole bool
	// TCPPort is where SYN segments go that carry an MSS; 0: none are sent.
	// Whole only. TCPSourcePort is theirs.
	TCPPort, TCPSourcePort uint16
	// NoOptions leaves out what only extension headers tell.
	NoOptions bool
	Seed      uint64
	Budget    Budget
}

func (c Config) v6() bool { return !c.Target.Is4() }

func (c Config) normalise() (Config, error) {
	bad := func(field string, value any, want string) (Config, error) {
		return Config{}, &probe.ConfigError{Field: field, Value: value, Want: want}
	}
	c.Target, c.Source = c.Target.Unmap(), c.Source.Unmap()
	if !c.Target.IsValid() {
		return bad("Target", c.Target, "an address")
	}
	if !c.Source.IsValid() || c.Source.Is4() != c.Target.Is4() {
		return bad("Source", c.Source, "an address of the Target's family")
	}
	if c.Port == 0 {
		return bad("Port", c.Port, "1 to 65535")
	}
	if c.Whole && c.SourcePort == 0 {
		return bad("SourcePort", c.SourcePort, "1 to 65535")
	}
	if c.FlowLabel >= 1<<20 {
		return bad("FlowLabel", c.FlowLabel, "20 bits")
	}
	least := c.small()
	if c.FirstHop < least || c.FirstHop > 65535 {
		return bad("FirstHop", c.FirstHop, fmt.Sprintf("%d to 65535 bytes", least))
	}
	setDefault(&c.MaxHops, DefaultMaxHops)
	if c.MaxHops < 1 || c.MaxHops > initialHopLimit {
		return bad("MaxHops", c.MaxHops, "1 to 64")
	}
	setDefault(&c.Probes, DefaultProbes)
	if c.Probes < 1 || c.Probes > 10 {
		return bad("Probes", c.Probes, "1 to 10")
	}
	setDefault(&c.Timeout, DefaultTimeout)
	if c.Timeout < time.Millisecond || c.Timeout > time.Minute {
		return bad("Timeout", c.Timeout, "1ms to 1m")
	}
	if c.TCPPort != 0 && c.TCPSourcePort == 0 {
		return bad("TCPSourcePort", c.TCPSourcePort, "1 to 65535")
	}
	b := &c.Budget
	setDefault(&b.Packets, DefaultPackets)
	setDefault(&b.Bytes, DefaultBytes)
	setDefault(&b.Errors, DefaultErrors)
	setDefault(&b.Time, DefaultTime)
	if b.Packets < 1 || b.Bytes < 1 || b.Errors < 1 || b.Time < 1 {
		return bad("Budget", *b, "numbers above 0")
	}
	return c, nil
}

func setDefault[T int | int64 | time.Duration](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}
