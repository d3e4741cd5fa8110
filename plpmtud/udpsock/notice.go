package udpsock

import (
	"fmt"
	"net/netip"
	"time"
)

// Kind says what a Notice is about.
type Kind uint8

const (
	// TooBig: a router or the destination sent an ICMP message with an MTU: an
	// ICMPv4 destination unreachable with code 4, or an ICMPv6 Packet Too Big.
	// It is a hint.
	TooBig Kind = iota
	// LocalTooBig: this host refused to send a datagram that exceeds the MTU of
	// the interface. It is certain.
	LocalTooBig
	// Unreachable: any other ICMP error, such as port unreachable. Type and
	// Code say which.
	Unreachable
)

func (k Kind) String() string {
	switch k {
	case TooBig:
		return "too-big"
	case LocalTooBig:
		return "local-too-big"
	case Unreachable:
		return "unreachable"
	}
	return "BUG"
}

// Notice is what came back about one datagram. TooBig and Unreachable are
// validated: they quote a datagram that Match knew, and the MTU of a TooBig is
// at least Family.MinMTU and less than the size of that datagram.
type Notice struct {
	Kind Kind
	// MTU is the size of a whole IP packet, in bytes; 0 for Unreachable.
	MTU int
	// Family is the IP version of the datagram.
	Family Family
	// Sent is the datagram. Of a LocalTooBig only Dst is set, and its port may
	// be 0.
	Sent Sent
	// Offender is who sent the ICMP message; the zero Addr for LocalTooBig.
	Offender   netip.Addr
	Type, Code uint8 // of the ICMP message
}

// QueueConfig says how an ErrorQueue validates, and how much it does.
type QueueConfig struct {
	// Match finds the datagram that an ICMP message quotes. Required.
	Match Match
	// PortsOnly also accepts messages that quote less than MinQuote bytes of
	// the UDP payload. Then only addresses and ports were checked, and anybody
	// who knows them can forge the message. Off, such messages are dropped.
	PortsOnly bool
	// PerSecond and Burst bound how many messages are examined, as a token
	// bucket. What exceeds them is dropped unread. Zero: 50 a second, bursts
	// of 20.
	PerSecond, Burst int
}

func (c QueueConfig) normalise() (QueueConfig, error) {
	if c.Match == nil {
		return c, fmt.Errorf("udpsock: QueueConfig.Match is nil, want a function")
	}
	if c.PerSecond == 0 {
		c.PerSecond = 50
	}
	if c.Burst == 0 {
		c.Burst = 20
	}
	if c.PerSecond < 1 {
		return c, fmt.Errorf("udpsock: QueueConfig.PerSecond is %d, want at least 1", c.PerSecond)
	}
	if c.Burst < 1 {
		return c, fmt.Errorf("udpsock: QueueConfig.Burst is %d, want at least 1", c.Burst)
	}
	return c, nil
}

// QueueStats counts the messages of an error queue by what became of them.
type QueueStats struct {
	Accepted   uint64 // handed out as a Notice
	Malformed  uint64 // not to be understood, or not about an error
	Unmatched  uint64 // quotes nothing that was sent
	ShortQuote uint64 // quotes too little to be matched
	TooSmall   uint64 // claims an MTU below the least of its family, also zero
	NotSmaller uint64 // claims an MTU that the quoted datagram does not exceed
	Limited    uint64 // over the budget, dropped unread
}

// validator turns reports into notices.
type validator struct {
	QueueConfig
	stats  QueueStats
	budget Budget
}

func newValidator(c QueueConfig) validator {
	return validator{QueueConfig: c, budget: NewBudget(float64(c.PerSecond), c.Burst)}
}

// check validates a report.
func (v *validator) check(now time.Time, r report) (Notice, bool) {
	n := Notice{
		Kind: r.kind, MTU: r.mtu, Family: r.family, Offender: r.offender,
		Type: r.icmpType, Code: r.icmpCode, Sent: Sent{Dst: r.dst},
	}
	if r.kind != Unreachable && r.mtu < r.family.MinMTU() {
		v.stats.TooSmall++
		return Notice{}, false
	}
	if r.kind == LocalTooBig {
		v.stats.Accepted++
		return n, true
	}
	sent, ok := v.Match(now, Quote{Dst: r.dst, Payload: r.payload, MTU: r.mtu})
	switch {
	case !ok:
		v.stats.Unmatched++
		return Notice{}, false
	case len(r.payload) < min(MinQuote, sent.Size-r.family.Overhead()) && !v.PortsOnly:
		v.stats.ShortQuote++
		return Notice{}, false
	case r.kind == TooBig && r.mtu >= sent.Size:
		v.stats.NotSmaller++
		return Notice{}, false
	}
	n.Sent = sent
	v.stats.Accepted++
	return n, true
}

// report is one message as it stands in an error queue, not validated.
type report struct {
	kind               Kind
	mtu                int
	family             Family
	dst                netip.AddrPort
	offender           netip.Addr
	icmpType, icmpCode uint8
	payload            []byte
}
