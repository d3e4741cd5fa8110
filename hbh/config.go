package hbh

import (
	"fmt"
	"time"

	"pathmtu/internal/ip6"
)

// Budget limits replies over several flows. *rate.Limiter of
// golang.org/x/time/rate is one.
type Budget interface {
	// AllowN takes n replies out of the budget, or none and says so.
	AllowN(now time.Time, n int) bool
}

// FlowConfig configures one flow. Zero fields are the defaults stated.
type FlowConfig struct {
	// LinkMTU is the IPv6 MTU in bytes configured for the link that the flow's
	// packets leave on: 1280 or more. Not a cached path MTU.
	LinkMTU int
	// Ask measures the path to the peer: options are sent with R set, once the
	// flow is started and from then on every AskInterval while the link MTU
	// exceeds the path MTU in use. Without it the flow only answers.
	Ask bool
	// WithData lets the option ride on packets that carry application data,
	// which the upper layer must then be ready to retransmit. Without it, only
	// packets without data carry the option.
	WithData bool
	// OnChange answers a request only if the value to report differs from the
	// last one reported. This saves packets, but a lost answer is not repeated.
	OnChange bool
	// Budget is asked before each reply; nil: only ReplyInterval limits them.
	Budget Budget

	AskInterval   time.Duration // between measurements; default 10 minutes (RFC 8899 PMTU_RAISE_TIMER)
	AskTimeout    time.Duration // to wait for an answer before asking again; default 3 s
	MaxAsks       int           // requests in one measurement; default 3
	ReplyInterval time.Duration // at least this between replies; default 1 s
	ReplyWait     time.Duration // how long a reply waits for a packet that is sent anyhow; default 0: none is waited for
	Age           time.Duration // of a received Min-PMTU, then 0 is returned; default 10 minutes
	SuspendAfter  int           // packets with the option lost in a row; default 3
	Suspend       time.Duration // how long the option is left out then; default 10 minutes
}

func (c FlowConfig) withDefaults() (FlowConfig, error) {
	if c.LinkMTU < ip6.MinMTU {
		return c, fmt.Errorf("hbh: FlowConfig.LinkMTU %d: want at least %d", c.LinkMTU, ip6.MinMTU)
	}
	for _, d := range []struct {
		name string
		v    *time.Duration
		def  time.Duration
	}{
		{"AskInterval", &c.AskInterval, 10 * time.Minute},
		{"AskTimeout", &c.AskTimeout, 3 * time.Second},
		{"ReplyInterval", &c.ReplyInterval, time.Second},
		{"ReplyWait", &c.ReplyWait, 0},
		{"Age", &c.Age, 10 * time.Minute},
		{"Suspend", &c.Suspend, 10 * time.Minute},
	} {
		if *d.v < 0 {
			return c, fmt.Errorf("hbh: FlowConfig.%s %v: want 0 or more", d.name, *d.v)
		}
		if *d.v == 0 {
			*d.v = d.def
		}
	}
	for _, n := range []struct {
		name string
		v    *int
	}{{"MaxAsks", &c.MaxAsks}, {"SuspendAfter", &c.SuspendAfter}} {
		if *n.v < 0 {
			return c, fmt.Errorf("hbh: FlowConfig.%s %d: want 0 or more", n.name, *n.v)
		}
		if *n.v == 0 {
			*n.v = 3
		}
	}
	return c, nil
}
