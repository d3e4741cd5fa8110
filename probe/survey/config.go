package survey

import (
	"fmt"
	"net/netip"
	"time"

	"pathmtu/plpmtud"
)

// Defaults of Config. They are slow on purpose.
const (
	DefaultTries    = 3
	DefaultFails    = 3
	DefaultTimeout  = 1500 * time.Millisecond
	DefaultCooldown = 4 * time.Second
	DefaultWindow   = 100_000
	DefaultBudget   = 60
	DefaultPackets  = 1000       // a second
	DefaultBits     = 10_000_000 // a second
	DefaultNet      = 20         // packets a second to one /24 or /48
)

// Rates are upper bounds. 0: no bound.
type Rates struct {
	Packets float64 `json:"packets_per_second"`
	Bits    float64 `json:"bits_per_second"` // of IP packets
}

// Config says how a survey measures. The zero value of each optional field
// chooses the documented default.
type Config struct {
	Key         Key
	Attribution string // URI that says who measures and why (RFC 9511). "": none
	// Methods are tried one after the other until one is answered. Nil: ICMP.
	Methods []Kind
	Port    uint16 // of the method UDP. 0: DefaultPort
	// LocalPort and Source4 are what probes of the UDP methods are sent from.
	LocalPort uint16
	Source4   netip.Addr

	// Link4 and Link6 are the MTU of the link that packets leave by. Bytes. 0:
	// there is no such link, and targets of the family are an error.
	Link4, Link6 int
	Max          int // largest size to try. Bytes. 0: what the link carries

	// Prior says which path MTUs are to be expected. Nil: the built-in one.
	Prior *plpmtud.Prior

	Tries    int           // small packets before a target counts as unresponsive. 0: 3. 1 to 10
	Fails    int           // losses of a size before it counts as too large. 0: 3. 1 to 10
	Timeout  time.Duration // longest wait for an answer. 0: 1.5 s. 10 ms to 30 s
	Cooldown time.Duration // longest wait for the answer to a target's last small packet. 0: 4 s
	Gap      time.Duration // least time between two packets to one target. 0: 0.2 s; UDP and IPv4: 1.05 s
	Calm     time.Duration // the same after a loss, for hosts that ration answers. 0: 1.05 s
	Budget   int           // packets to one target. 0: 60. 10 to 250
	Window   int           // targets that are measured at the same time. 0: 100000

	Total, PerNet, PerAS Rates // PerNet: each /24 or /48. PerAS needs Origins
	Origins              *Origins

	Seed          uint64 // of the order
	Shard, Shards uint64 // this one of that many; 0 of 0: the only one

	// Final is called with each result, in the calling goroutine of the Engine's
	// methods, which it must not call.
	Final func(Final)
}

// ConfigError reports a field of a Config that is out of range.
type ConfigError struct {
	Field string
	Value any
	Want  string
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("survey: %s is %v, want %s", e.Field, e.Value, e.Want)
}

const mostSize = 65535

func (c Config) normalise() (Config, error) {
	setDefault(&c.Tries, DefaultTries)
	setDefault(&c.Fails, DefaultFails)
	setDefault(&c.Timeout, DefaultTimeout)
	setDefault(&c.Cooldown, DefaultCooldown)
	setDefault(&c.Gap, 200*time.Millisecond)
	setDefault(&c.Calm, 1050*time.Millisecond)
	setDefault(&c.Budget, DefaultBudget)
	setDefault(&c.Window, DefaultWindow)
	setDefault(&c.Port, DefaultPort)
	setDefault(&c.Shards, 1)
	if c.Prior == nil {
		c.Prior = plpmtud.BuiltinPrior()
	}
	if len(c.Methods) == 0 {
		c.Methods = []Kind{ICMP}
	}
	for _, k := range c.Methods {
		if k >= kinds {
			return c, &ConfigError{"Methods", k, "kinds"}
		}
	}
	for _, f := range []struct {
		name          string
		value, lo, hi int
		zero          bool
		unit          string
	}{
		{"Link4", c.Link4, 68, 1 << 20, true, " bytes"},
		{"Link6", c.Link6, 1280, 1 << 20, true, " bytes"},
		{"Max", c.Max, 68, mostSize, true, " bytes"},
		{"Tries", c.Tries, 1, 10, false, ""},
		{"Fails", c.Fails, 1, 10, false, ""},
		{"Budget", c.Budget, 10, 250, false, " packets"},
		{"Window", c.Window, 1, 1 << 24, false, " targets"},
		{"Methods", len(c.Methods), 1, int(kinds), false, " of them"},
	} {
		if (f.value != 0 || !f.zero) && (f.value < f.lo || f.value > f.hi) {
			return c, &ConfigError{f.name, f.value, fmt.Sprintf("%d to %d%s", f.lo, f.hi, f.unit)}
		}
	}
	for _, f := range []struct {
		name   string
		value  time.Duration
		lo, hi time.Duration
	}{
		{"Timeout", c.Timeout, 10 * time.Millisecond, 30 * time.Second},
		{"Cooldown", c.Cooldown, 10 * time.Millisecond, 30 * time.Second},
		{"Gap", c.Gap, 0, 30 * time.Second},
		{"Calm", c.Calm, 0, 30 * time.Second},
	} {
		if f.value < f.lo || f.value > f.hi {
			return c, &ConfigError{f.name, f.value, fmt.Sprintf("%v to %v", f.lo, f.hi)}
		}
	}
	for name, r := range map[string]Rates{"Total": c.Total, "PerNet": c.PerNet, "PerAS": c.PerAS} {
		for _, v := range []float64{r.Packets, r.Bits} {
			if !(v == 0 || v >= 0.001 && v <= 1e12) {
				return c, &ConfigError{name, v, "0.001 to 1e12 a second, or 0 for no bound"}
			}
		}
	}
	if c.PerAS != (Rates{}) && c.Origins == nil {
		return c, &ConfigError{"PerAS", c.PerAS, "nothing without a table of origins"}
	}
	if c.Port == portQUIC || c.Port == portDNS {
		return c, &ConfigError{"Port", c.Port, "another port than those of QUIC and DNS"}
	}
	if c.Shard >= c.Shards {
		return c, &ConfigError{"Shard", c.Shard, fmt.Sprintf("0 to %d", c.Shards-1)}
	}
	if c.Final == nil {
		return c, &ConfigError{"Final", "nil", "a function"}
	}
	if c.Source4.IsValid() && !c.Source4.Is4() {
		return c, &ConfigError{"Source4", c.Source4, "an IPv4 address"}
	}
	return c, nil
}

func setDefault[T int | uint16 | uint64 | time.Duration](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}
