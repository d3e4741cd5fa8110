package truncate

import (
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"pathmtu/internal/ip6"
)

// Budget limits ICMPv6 errors. *rate.Limiter of golang.org/x/time/rate is one.
type Budget interface {
	// AllowN takes n errors out of the budget, or none and says so.
	AllowN(now time.Time, n int) bool
}

// Answer is the ICMPv6 error that a destination sends.
type Answer uint8

// Answers.
const (
	NoAnswer         Answer = iota
	PacketTooBig            // type 2 code 0, MTU is the length that arrived
	ParameterProblem        // type 4 code 2, pointer at the first invalid option
)

// Decision is what a destination does with one packet.
type Decision struct {
	// Deliver: the upper layer gets Packet(p). Otherwise p is discarded, and
	// nothing of its data may reach the upper layer.
	Deliver bool
	// Truncated: a router has cut the packet. With Length it is what the draft
	// calls metadata (T0), and all that the upper layer may learn of a packet
	// that is not delivered.
	Truncated bool
	Length    int // of the packet that arrived, in bytes

	Answer  Answer
	MTU     int // of a Packet Too Big, in bytes of IP packet
	Pointer int // of a Parameter Problem, in bytes from the start of the packet

	Fault   Fault       // the packet is invalid
	Problem ip6.Problem // its headers cannot be walked

	// Why an answer that was due is not sent.
	Silence   ip6.Silence // excluded by RFC 4443
	Throttled bool        // over the budget

	cut   int // length to deliver; 0: all
	upper ip6.Upper
}

// DestinationCounters count packets since the Destination was made.
type DestinationCounters struct {
	Plain     uint64             // without a truncation option
	Eligible  uint64             // not truncated
	Truncated uint64             // by some router
	Invalid   [faultCount]uint64 // by Fault
	Malformed uint64             // headers that cannot be walked
	TooBig    uint64             // Packet Too Big answers
	Problems  uint64             // Parameter Problem answers
	Throttled uint64             // answers over the budget
	Silent    uint64             // answers that RFC 4443 excludes
}

// Destination is the receiver's part: it decides about each packet addressed
// to this host. It reads no clock; it is not safe for several goroutines at
// once.
//
// The host must own its address itself: a kernel that meets the Truncated
// option answers first, with a Parameter Problem.
type Destination struct {
	reader   Reader
	budget   Budget
	Counters DestinationCounters // to be read only
}

// NewDestination checks the option types and the revision: the error names what
// is wrong with them. budget limits the errors; share it
// with all other ICMPv6 errors of the host. nil: one of its own, 10 a second
// and 10 at once (the example of RFC 4443 section 2.4 (f)).
func NewDestination(r Reader, budget Budget) (*Destination, error) {
	if err := r.Codes.Validate(); err != nil {
		return nil, err
	}
	if r.Revision > T0 {
		return nil, fmt.Errorf("truncate: Reader.Revision %d: want T1 or T0", r.Revision)
	}
	if budget == nil {
		budget = rate.NewLimiter(10, 10)
	}
	return &Destination{reader: r, budget: budget}, nil
}

// Receive decides about p, which arrived as a says. It changes nothing in p.
// Send the answer (AppendAnswer) before Packet is called.
func (d *Destination) Receive(now time.Time, p ip6.Packet, a ip6.Arrival) Decision {
	s := d.reader.Scan(p)
	dec := Decision{Length: len(p), Problem: s.Problem, upper: s.Upper}
	c := &d.Counters
	switch {
	case s.Problem.Reason != ip6.NoProblem:
		c.Malformed++
		return dec
	case s.Fault != NoFault:
		c.Invalid[s.Fault]++
		dec.Fault, dec.Answer, dec.Pointer = s.Fault, ParameterProblem, s.Pointer
	case !s.Any():
		c.Plain++
		dec.Deliver = true
	case s.Truncated > 0:
		c.Truncated++
		dec.Truncated, dec.Answer, dec.MTU = true, PacketTooBig, len(p)
	case s.Enhanced > 0:
		d.enhanced(&dec, s, p)
	default:
		c.Eligible++
		dec.Deliver = true
	}
	d.limit(now, &dec, p, a)
	return dec
}

// enhanced decides about a valid packet with the Enhanced option: the error
// tells the source what fits, and what the source padded is delivered
// nevertheless if all of the original arrived.
func (d *Destination) enhanced(dec *Decision, s Scan, p ip6.Packet) {
	if s.T {
		d.Counters.Truncated++
		dec.Truncated, dec.Answer, dec.MTU = true, PacketTooBig, len(p)
	} else {
		d.Counters.Eligible++
	}
	n := ip6.HeaderLen + s.OPL
	head, whole := ip6.UpperHeaderLen(s.Upper.Proto, p[s.Upper.Off:])
	switch {
	case n == len(p):
		dec.Deliver = true
	case n < len(p) && whole && n >= s.Upper.Off+head:
		dec.Deliver, dec.cut = true, n
	}
	// Otherwise some of the original is missing, or it would end within its
	// headers.
}

func (d *Destination) limit(now time.Time, dec *Decision, p ip6.Packet, a ip6.Arrival) {
	if dec.Answer == NoAnswer {
		return
	}
	typ, code := uint8(ip6.TypePacketTooBig), uint8(0)
	if dec.Answer == ParameterProblem {
		typ, code = ip6.TypeParameterProblem, ip6.CodeUnrecognizedOption
	}
	dec.Silence = ip6.MayError(p, a, typ, code, dec.Pointer)
	if dec.Silence == ip6.MayAnswer {
		// RFC 4443 lets these answer multicast. Each member of the group would.
		switch {
		case p.Dst().IsMulticast():
			dec.Silence = ip6.ToMulticast
		case a.LinkMulticast:
			dec.Silence = ip6.ToLinkMulticast
		}
	}
	switch {
	case dec.Silence != ip6.MayAnswer:
		d.Counters.Silent++
	case !d.budget.AllowN(now, 1):
		dec.Throttled = true
		d.Counters.Throttled++
	case dec.Answer == PacketTooBig:
		d.Counters.TooBig++
		return
	default:
		d.Counters.Problems++
		return
	}
	dec.Answer = NoAnswer
}

// AppendAnswer appends the whole packet of the decision's answer about p, from
// the address that p was sent to; nothing when there is none. A Packet Too Big
// is never longer than p.
func (dec Decision) AppendAnswer(dst []byte, p ip6.Packet) ([]byte, error) {
	e := ip6.ErrorSpec{Src: p.Dst()}
	switch dec.Answer {
	case PacketTooBig:
		e.Type, e.Param = ip6.TypePacketTooBig, uint32(dec.MTU)
	case ParameterProblem:
		e.Type, e.Code, e.Param = ip6.TypeParameterProblem, ip6.CodeUnrecognizedOption, uint32(dec.Pointer)
	default:
		return dst, nil
	}
	return ip6.AppendError(dst, e, p)
}

// Packet is what the upper layer gets of p: p itself, or for a padded packet
// (T0) p cut back in place to what the source had before it padded it. nil
// when nothing is delivered.
func (dec Decision) Packet(p ip6.Packet) ip6.Packet {
	switch {
	case !dec.Deliver:
		return nil
	case dec.cut == 0:
		return p
	}
	repair(p, dec.upper, dec.cut)
	return p.Cut(dec.cut)
}
