package plpmtud

// Source says where a Hint comes from.
type Source uint8

const (
	// PacketTooBig is an ICMPv4 "fragmentation needed" or ICMPv6 Packet Too Big
	// message from a router (RFC 1191, RFC 8201).
	PacketTooBig Source = iota
	// HopByHop is the Rtn-PMTU of the Minimum Path MTU Hop-by-Hop option
	// (RFC 9268). It is the only source that may also aim up.
	HopByHop
	// Truncated is a Packet Too Big that the destination of a truncated packet
	// sent (draft-leddy-6man-truncate).
	Truncated
)

func (s Source) String() string {
	switch s {
	case PacketTooBig:
		return "packet-too-big"
	case HopByHop:
		return "hop-by-hop"
	case Truncated:
		return "truncated"
	}
	return "BUG"
}

// Hint is a path MTU that somebody else claims. It may change what is probed
// next, or lower what is used now; it never raises the PLPMTU.
//
// The caller validates a hint before it hands it on (RFC 8899 section 4.6.1):
// the quoted packet must be one that was sent on this path, by addresses,
// ports, and something that an attacker off the path can't guess.
type Hint struct {
	Source Source
	// MTU is the size of a whole IP packet, in bytes, as PL_PTB_SIZE plus
	// Config.Overhead.
	MTU int
}
