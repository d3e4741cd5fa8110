package probe

import (
	"net/netip"
	"time"

	"pathmtu/results"
)

// ID names one packet of a Session. IDs start at 1 and are never reused.
type ID uint32

// Packet is what a probe carries: enough for its answer to be recognised.
type Packet struct {
	ID   ID
	Size int // of the whole IP packet, bytes
}

// Carrier is the kind of socket that a Method's bytes are handed to.
type Carrier uint8

const (
	ICMPEcho Carrier = iota // an ICMP or ICMPv6 message; the kernel may set identifier and checksum
	UDP                     // a UDP payload, to Traits.Port
	TCP                     // a TCP segment, to Traits.Port; the socket computes its checksum
	IP                      // a whole IP packet, from Target.Source; the socket computes an IPv4 header's checksum
)

// Traits is what a Method can do and what it asks of a Session.
type Traits struct {
	Carrier   Carrier
	Direction results.Direction
	Port      uint16 // destination port; 0: the method's packets have none
	// Below is the size of the headers that are put before a Method's bytes:
	// the IP header, and what the socket adds; 0 if Carrier is IP. Bytes.
	Below int
	// Min and Max bound the size of a probe that the method can build and a
	// responder is obliged to answer. Bytes of IP packet.
	Min, Max int
	// Step is the granularity of sizes: every size is Min plus a multiple.
	Step int
	// Server says that a program answers and not the host itself: it may be
	// silent above a size of its own choice.
	Server bool
	// Limits are UDP payloads, in bytes, above which servers are known to fall
	// silent: a result of just that size may be theirs and not the path's.
	Limits []int
	// Slack is by how much an answer may be smaller than its probe, where Direction
	// is round-trip: the way back may carry so much less than the PMTU. Bytes.
	Slack int
	// Asked says that, and why, Max is no more than what the responder asked for
	// itself: a result of just that size is its limit and not the path's. "": it
	// isn't.
	Asked string
	// ClosedPort says that "port unreachable" from the target is the answer.
	ClosedPort bool
	// Burst and Every describe how often a responder answers: Burst answers at
	// once, and one more after each Every. Burst 0: no limit is known.
	Burst int
	Every time.Duration
	// Hold is how long a responder may hold an answer back, where it then answers
	// only the last packet that came: none is sent while another one's answer is
	// waited for, and it is waited for that long. 0: each packet is answered at once.
	Hold time.Duration
}

// Quote is what an ICMP error quotes of the packet that it is about. What the
// kernel doesn't pass on is zero.
type Quote struct {
	Length    int    // IP total length of the packet (IPv6: payload length + 40); 0: not known
	TTL       int    // TTL or hop limit as quoted; 0: not known
	Transport []byte // UDP header, if Carrier is UDP; nil: not known. The others have none: see Payload
	Payload   []byte // a Method's bytes, as far as they are quoted
}

// A Method builds probes and recognises what comes back. Methods are pure: an
// answer is recognised by a keyed token alone, so that a Method keeps nothing
// for each probe. They are safe for concurrent use.
type Method interface {
	// Name is the method's name in records and on the command line.
	Name() string
	// Traits says what the method can do.
	Traits() Traits
	// Append appends the bytes of a probe, so that with Traits.Below bytes of
	// headers it is p.Size bytes. p.Size is in Traits.Min to Traits.Max.
	Append(b []byte, p Packet) []byte
	// Answer returns which probe the bytes answer, which came from the target on
	// the flow's socket. Where an answer has no room for the token, it has to fit
	// one of the packets in sent. False: they answer none of this Method's.
	Answer(b []byte, sent []Packet) (Packet, bool)
	// Quoted returns which probe an ICMP error quotes. Where the quote is too
	// short for the token, one of the packets in sent has to fit what there is.
	Quoted(q Quote, sent []Packet) (Packet, bool)
}

// Target is where a Method's probes go, and Key what its tokens are made with.
type Target struct {
	Addr netip.Addr
	Key  Key
	// Source is the address that probes leave from, for methods that make whole IP
	// packets (Carrier IP), and LinkMTU what the first hop's link carries, for those
	// that tell the network. Bytes of IP packet. The others need neither.
	Source  netip.Addr
	LinkMTU int
	// Attribution is a URI that says who measures and why (RFC 9511), put into
	// each probe. "": none.
	Attribution string
}

func (t Target) ipHeader() int {
	if t.Addr.Unmap().Is4() {
		return 20
	}
	return 40
}
