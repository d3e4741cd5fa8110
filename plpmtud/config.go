package plpmtud

import (
	"fmt"
	"time"
)

// Layer says how a packetization layer learns what became of a probe
// (RFC 8899 section 4.2 and 6.1.5).
type Layer uint8

const (
	// Acknowledged: the packetization layer acknowledges packets and detects
	// losses itself (QUIC, SCTP, DTLS with acknowledgements). It calls Acked or
	// Lost for each probe; PROBE_TIMER and CONFIRMATION_TIMER are off.
	Acknowledged Layer = iota
	// Unacknowledged: only probes are answered. PROBE_TIMER declares a probe
	// lost, and CONFIRMATION_TIMER validates the PLPMTU from time to time.
	Unacknowledged
)

func (l Layer) String() string {
	switch l {
	case Acknowledged:
		return "acknowledged"
	case Unacknowledged:
		return "unacknowledged"
	}
	return "BUG"
}

// The values that RFC 8899 section 5.1 names, and the defaults of this package.
const (
	// DefaultMaxProbes is MAX_PROBES (section 5.1.2).
	DefaultMaxProbes = 3
	// DefaultBase is BASE_PLPMTU in bytes of PL size (section 5.1.2; also the
	// size that RFC 9000 section 14 asks of every QUIC path).
	DefaultBase = 1200
	// DefaultProbeTimeout is PROBE_TIMER (section 5.1.1: SHOULD be over 15 s).
	DefaultProbeTimeout = 16 * time.Second
	// DefaultRaiseInterval is PMTU_RAISE_TIMER (section 5.1.1).
	DefaultRaiseInterval = 600 * time.Second
	// DefaultConfirmInterval is CONFIRMATION_TIMER; RFC 8899 leaves the value
	// to the packetization layer, below PMTU_RAISE_TIMER.
	DefaultConfirmInterval = 30 * time.Second
	// MinProbeTimeout is the least PROBE_TIMER (section 5.1.1: MUST NOT be
	// smaller than 1 s).
	MinProbeTimeout = time.Second
	// ptbHold is how long no larger size is tried after a Packet Too Big
	// (RFC 8201 section 4: not within 5 minutes).
	ptbHold = 5 * time.Minute
	// maxTimer bounds the timers, so that milliseconds of them fit into 32 bits.
	maxTimer = 45 * 24 * time.Hour
	// ethernetMTU bounds MAX_PLPMTU where the caller names none.
	ethernetMTU = 1500
	// maxSize is the largest IP packet without a jumbogram, in bytes.
	maxSize = 65535
)

// Config says what a Path is for. The zero value of each field chooses the
// documented default. All sizes are in bytes of PL size: what the
// packetization layer hands down in one datagram (a UDP payload, if the layer
// runs over UDP). A Path copies its Config; changing it later has no effect.
type Config struct {
	// Overhead is the size of all headers below the packetization layer, in
	// bytes: 28 for UDP over IPv4, 48 over IPv6. It is the only conversion
	// between PL sizes and IP packets. 0 to 65534.
	Overhead int
	// Header is how many bytes of each PL size the packetization layer needs
	// for itself; MPS is PLPMTU less Header (section 4.4). 0 to Min-1.
	Header int
	// Min is MIN_PLPMTU. Zero: Base, as RFC 9000 section 14 has it.
	Min int
	// Base is BASE_PLPMTU. Zero: 1200, or Max if that is smaller.
	Base int
	// Max is MAX_PLPMTU: the interface MTU less Overhead, or what the peer or
	// the application allows, if less. Zero: 1500 less Overhead.
	Max int
	// MaxProbes is MAX_PROBES, 1 to 15. Zero: 3.
	MaxProbes int
	// Layer says who declares a probe lost.
	Layer Layer
	// ProbeTimeout is PROBE_TIMER of an Unacknowledged layer. Zero: 16 s. At
	// least 1 s. An Acknowledged layer has none.
	ProbeTimeout time.Duration
	// ProbeInterval is the least time between two probes. Whatever it is, at
	// least one RTT, as far as it is known, lies between two probes
	// (section 3, item 7). At most one hour.
	ProbeInterval time.Duration
	// RaiseInterval is PMTU_RAISE_TIMER, kept to the second. Zero: 600 s.
	// Negative: off. At most 45 days, as the other timers.
	RaiseInterval time.Duration
	// ConfirmInterval is CONFIRMATION_TIMER of an Unacknowledged layer. Zero:
	// 30 s. Less than RaiseInterval. An Acknowledged layer MUST NOT have one.
	ConfirmInterval time.Duration
	// Search chooses probe sizes. Nil: the optimal search over the built-in
	// prior.
	Search Search
	// PerSize counts lost probes for each size apart, whatever Search prefers:
	// a size that was lost MaxProbes times is given up, and the search goes on
	// below it.
	PerSize bool
	// SoftCap lets the grey-hole estimator lower MPS (never PLPMTU) while
	// larger packets are lost markedly more often than smaller ones.
	SoftCap bool
	// Trace observes every event. It is called synchronously and must not call
	// the Path back. Nil: none.
	Trace func(Event)
}

// ConfigError reports a field of a Config, or an argument, that is out of range.
type ConfigError struct {
	Field string // the field's name
	Value any    // the value given
	Want  string // what it has to be
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("plpmtud: %s is %v, want %s", e.Field, e.Value, e.Want)
}

// normalise fills in defaults and checks ranges.
func (c Config) normalise() (Config, error) {
	for _, check := range []func(*Config) *ConfigError{(*Config).sizes, (*Config).timers, (*Config).layer} {
		if err := check(&c); err != nil {
			return Config{}, err
		}
	}
	if c.Search == nil {
		c.Search = Optimal()
	}
	return c, nil
}

func outOfRange(field string, value any, want string) *ConfigError {
	return &ConfigError{Field: field, Value: value, Want: want}
}

// sizes does it for sizes, and for MaxProbes.
func (c *Config) sizes() *ConfigError {
	if c.Overhead < 0 || c.Overhead >= maxSize {
		return outOfRange("Overhead", c.Overhead, "0 to 65534 bytes")
	}
	if c.Max == 0 {
		c.Max = ethernetMTU - c.Overhead
	}
	if c.Max < 1 || c.Max > maxSize-c.Overhead {
		return outOfRange("Max", c.Max, fmt.Sprintf("1 to %d bytes with an Overhead of %d", maxSize-c.Overhead, c.Overhead))
	}
	if c.Base == 0 {
		c.Base = min(DefaultBase, c.Max)
		c.Base = max(c.Base, c.Min)
	}
	if c.Base < 1 || c.Base > c.Max {
		return outOfRange("Base", c.Base, fmt.Sprintf("1 to Max (%d bytes)", c.Max))
	}
	if c.Min == 0 {
		c.Min = c.Base
	}
	if c.Min < 1 || c.Min > c.Base {
		return outOfRange("Min", c.Min, fmt.Sprintf("1 to Base (%d bytes)", c.Base))
	}
	if c.Header < 0 || c.Header >= c.Min {
		return outOfRange("Header", c.Header, fmt.Sprintf("0 to less than Min (%d bytes)", c.Min))
	}
	if c.MaxProbes == 0 {
		c.MaxProbes = DefaultMaxProbes
	}
	if c.MaxProbes < 1 || c.MaxProbes > 15 {
		return outOfRange("MaxProbes", c.MaxProbes, "1 to 15")
	}
	return nil
}

// timers does it for the timers that every layer has.
func (c *Config) timers() *ConfigError {
	for _, d := range []struct {
		field string
		value time.Duration
	}{{"ProbeTimeout", c.ProbeTimeout}, {"RaiseInterval", c.RaiseInterval}, {"ConfirmInterval", c.ConfirmInterval}} {
		if d.value > maxTimer {
			return outOfRange(d.field, d.value, "at most 45 days")
		}
	}
	if c.ProbeInterval < 0 || c.ProbeInterval > time.Hour {
		return outOfRange("ProbeInterval", c.ProbeInterval, "0 to 1 hour")
	}
	if c.RaiseInterval == 0 {
		c.RaiseInterval = DefaultRaiseInterval
	}
	return nil
}

// layer does it for the timers that depend on the layer.
func (c *Config) layer() *ConfigError {
	switch c.Layer {
	case Acknowledged:
		if c.ProbeTimeout != 0 {
			return outOfRange("ProbeTimeout", c.ProbeTimeout, "0 for an acknowledged layer, which reports losses itself")
		}
		if c.ConfirmInterval != 0 {
			return outOfRange("ConfirmInterval", c.ConfirmInterval, "0 for an acknowledged layer (RFC 8899 section 5.1.1)")
		}
	case Unacknowledged:
		if c.ProbeTimeout == 0 {
			c.ProbeTimeout = DefaultProbeTimeout
		}
		if c.ProbeTimeout < MinProbeTimeout {
			return outOfRange("ProbeTimeout", c.ProbeTimeout, "at least 1s (RFC 8899 section 5.1.1)")
		}
		if c.ConfirmInterval == 0 {
			c.ConfirmInterval = DefaultConfirmInterval
			if c.RaiseInterval > 0 {
				c.ConfirmInterval = min(c.ConfirmInterval, c.RaiseInterval/2)
			}
		}
		if c.ConfirmInterval <= 0 || c.RaiseInterval > 0 && c.ConfirmInterval >= c.RaiseInterval {
			return outOfRange("ConfirmInterval", c.ConfirmInterval, "more than 0 and less than RaiseInterval (RFC 8899 section 5.1.1)")
		}
	default:
		return outOfRange("Layer", uint8(c.Layer), "Acknowledged or Unacknowledged")
	}
	return nil
}
