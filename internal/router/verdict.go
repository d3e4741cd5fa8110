package router

import (
	"net/netip"

	"pathmtu/hbh"
)

// Action is what the caller has to do with a packet.
type Action uint8

// Actions.
const (
	Drop    Action = iota
	Forward        // send Packet to Next on port Out
	Deliver        // the packet is for the router's own host
)

// Reason is why a packet was not forwarded, for counters and explanations.
type Reason uint8

// Reasons. Each but Forwarded and ToSelf ends in a drop.
const (
	Forwarded        Reason = iota
	ToSelf                  // own address, link-local or multicast destination
	BadHeader               // not a whole IPv6 packet
	BadSource               // multicast, unspecified or loopback source
	BadDestination          // unspecified or loopback destination
	BeyondScope             // link-local source, destination beyond the link
	NoRoute                 // no prefix matches, or a route says unreachable
	Prohibited              // a route says prohibit
	Blackholed              // a route says blackhole
	HopLimitExceeded        //
	PointToPointLoop        // straight back over a point-to-point link
	OptionDiscarded         // a Hop-by-Hop option whose treatment is Discard or Report
	OptionsMalformed        // Policy.DropMalformed
	TooBig                  // larger than the egress MTU, and not cut
	ReasonCount             // number of reasons
)

var reasonNames = [ReasonCount]string{
	"forwarded", "to_self", "bad_header", "bad_source", "bad_destination", "beyond_scope", "no_route",
	"prohibited", "blackholed", "hop_limit", "point_to_point_loop", "option_discarded",
	"options_malformed", "too_big",
}

// String returns a short name that suits a metric's label.
func (r Reason) String() string {
	if r < ReasonCount {
		return reasonNames[r]
	}
	return "unknown"
}

// Verdict is the decision about one packet.
type Verdict struct {
	Action Action
	Reason Reason
	// Out, Next and Packet say what to send where, when Action is Forward.
	// Packet is the caller's memory, possibly shorter than it was.
	Out    int
	Next   netip.Addr
	Packet []byte
	// ICMP is a whole ICMPv6 error to be sent to ICMPNext on port ICMPOut;
	// empty: none. It may accompany any action. Valid until the next call.
	ICMP     []byte
	ICMPOut  int
	ICMPNext netip.Addr
}

// Counters are plain numbers of packets, unless they say otherwise.
type Counters struct {
	Reasons  [ReasonCount]uint64
	Bytes    uint64 // of forwarded IP packets
	SamePort uint64 // forwarded out of the port they came in

	HopByHop  uint64             // packets whose Hop-by-Hop header was looked at
	Skipped   uint64             // options skipped
	Unlooked  uint64             // packets with options beyond MaxOptions
	MinPMTU   hbh.RouterCounters // option 0x30
	Truncated uint64             // packets cut and forwarded
	// TruncateRefused counts packets too big whose truncation options did not
	// get them through: invalid, headers don't fit, no checksum repair.
	TruncateRefused uint64
	TruncateBudget  uint64 // over the budget, treated as RFC 8200 asks

	ICMPSent   map8 // by ICMPv6 error type
	ICMPSilent uint64
	ICMPBudget uint64 // errors not sent: over the budget
	ICMPNoPath uint64 // errors not sent: no source address or no route
}

// map8 holds counters by ICMPv6 error type: 1 to 4; 0 counts others.
type map8 [5]uint64

func (m *map8) add(typ uint8) {
	if int(typ) < len(m) {
		m[typ]++
		return
	}
	m[0]++
}
