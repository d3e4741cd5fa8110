package probe

import (
	"fmt"
	"net/netip"
	"time"
)

// Defaults of Config and Budget.
const (
	DefaultProbes     = 3
	DefaultTimeout    = time.Second
	DefaultMinTimeout = 200 * time.Millisecond
	DefaultPackets    = 400
	DefaultBytes      = 8 << 20
	DefaultErrors     = 1000
	DefaultTime       = 2 * time.Minute
)

// Budget bounds what a Session spends. When it is used up, the Session ends
// with what it knows. The zero value of each field chooses the default.
type Budget struct {
	Packets int           // sent. Default 400
	Bytes   int64         // sent, of IP packets. Default 8 MiB
	Errors  int           // ICMP errors that are looked at. Default 1000
	Time    time.Duration // from the first Poll. Default 2 minutes
}

// Config says what a Session measures. The zero value of each optional field
// chooses the documented default.
type Config struct {
	Method Method
	Target netip.Addr // whose answers count
	// FirstHop is the MTU of the link that packets leave by, in bytes.
	FirstHop int
	// Max is the largest size to try. Zero: FirstHop. Bytes of IP packet.
	Max int
	// Min is the smallest size of interest: a path that doesn't carry it is
	// reported without a PMTU. Zero: whatever the Method can build.
	Min int
	// Eager sends the largest size first, and a small packet only if that isn't
	// answered: one packet less. It is for hosts that are known to answer, or that
	// may well be sent a large packet before it is known that they do.
	Eager bool
	// Tentative gives up after one small packet that isn't answered, or an eager
	// large one and that: it isn't known whether the host answers this method.
	Tentative bool
	// Expect is the PMTU that another method found. It is tried first, and if it is
	// answered, and the next size isn't, once, that is enough. 0: none is expected.
	// Bytes of IP packet, at most Max.
	Expect int
	// Probes is how often a size is tried before it is given up. Zero: 3. 1 to 10.
	Probes int
	// Timeout is the longest wait for an answer; less once the round-trip time
	// is known, but at least MinTimeout. Zero: 1 s and 200 ms.
	Timeout, MinTimeout time.Duration
	// Seed spreads retries, so that Sessions to one target don't keep in step.
	Seed   uint64
	Budget Budget
	// Loss is how many packets of the PMTU, and as many small ones, are sent at
	// most to see whether the larger ones get lost more often; if so, the largest
	// size is sought of which that isn't so. 0: none. At most 100000.
	Loss int
}

// ConfigError reports a field of a Config that is out of range.
type ConfigError struct {
	Field string
	Value any
	Want  string
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("probe: %s is %v, want %s", e.Field, e.Value, e.Want)
}

func (c Config) normalise() (Config, error) {
	bad := func(field string, value any, want string) (Config, error) {
		return Config{}, &ConfigError{field, value, want}
	}
	if c.Method == nil {
		return bad("Method", "nil", "a Method")
	}
	if !c.Target.IsValid() {
		return bad("Target", c.Target, "an address")
	}
	t := c.Method.Traits()
	if t.Min < 1 || t.Max < t.Min || t.Step < 1 {
		return bad("Method", c.Method.Name(), "one with Min <= Max and Step >= 1")
	}
	if c.FirstHop < t.Min || c.FirstHop > 1<<20 {
		return bad("FirstHop", c.FirstHop, fmt.Sprintf("%d bytes (the least that method %s sends) or more", t.Min, c.Method.Name()))
	}
	if c.Max == 0 {
		c.Max = c.FirstHop
	}
	if c.Max < t.Min {
		return bad("Max", c.Max, fmt.Sprintf("%d bytes (the least that method %s sends) or more", t.Min, c.Method.Name()))
	}
	if c.Min < 0 || c.Min > c.Max {
		return bad("Min", c.Min, fmt.Sprintf("0 to Max (%d bytes)", c.Max))
	}
	c.Min = exact{min: t.Min, step: t.Step}.up(c.Min)
	c.Max = exact{min: t.Min, step: t.Step}.down(c.Max)
	if c.Min > c.Max {
		return bad("Min", c.Min, fmt.Sprintf("0 to Max (%d bytes), in steps of %d from %d", c.Max, t.Step, t.Min))
	}
	if c.Expect < 0 || c.Expect > c.Max {
		return bad("Expect", c.Expect, fmt.Sprintf("0 to Max (%d bytes)", c.Max))
	}
	if c.Probes == 0 {
		c.Probes = DefaultProbes
	}
	if c.Probes < 1 || c.Probes > 10 {
		return bad("Probes", c.Probes, "1 to 10")
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Timeout < time.Millisecond || c.Timeout > time.Minute {
		return bad("Timeout", c.Timeout, "1ms to 1m")
	}
	if c.MinTimeout == 0 {
		c.MinTimeout = DefaultMinTimeout
	}
	c.MinTimeout = min(c.MinTimeout, c.Timeout)
	if c.Loss < 0 || c.Loss > 100000 {
		return bad("Loss", c.Loss, "0 to 100000 packets")
	}
	b := &c.Budget
	setDefault(&b.Packets, DefaultPackets)
	setDefault(&b.Bytes, DefaultBytes)
	setDefault(&b.Errors, DefaultErrors)
	setDefault(&b.Time, DefaultTime)
	if b.Packets < 1 || b.Packets > 1<<20 {
		return bad("Budget.Packets", b.Packets, "1 to 1048576")
	}
	if b.Bytes < 1 {
		return bad("Budget.Bytes", b.Bytes, "1 or more")
	}
	if b.Errors < 0 {
		return bad("Budget.Errors", b.Errors, "0 or more")
	}
	if b.Time < 0 {
		return bad("Budget.Time", b.Time, "0 or more")
	}
	return c, nil
}

func setDefault[T int | int64 | time.Duration](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}
