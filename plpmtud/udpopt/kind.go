package udpopt

import "fmt"

// Kind is the Kind field of a UDP option (RFC 9868 section 10, table 1).
type Kind uint8

const (
	EOL  Kind = 0   // End of Options List: one byte; whatever follows is zero (section 11.1)
	NOP  Kind = 1   // No Operation: one byte, for alignment (section 11.2)
	APC  Kind = 2   // Additional Payload Checksum: CRC-32C of the user data (section 11.3)
	FRAG Kind = 3   // Fragmentation (section 11.4)
	MDS  Kind = 4   // Maximum Datagram Size (section 11.5)
	MRDS Kind = 5   // Maximum Reassembled Datagram Size (section 11.6)
	REQ  Kind = 6   // Echo Request (section 11.7)
	RES  Kind = 7   // Echo Response (section 11.7)
	TIME Kind = 8   // Timestamp (section 11.8)
	EXP  Kind = 127 // experiments, SAFE (section 10)
	UEXP Kind = 254 // experiments, UNSAFE (section 10)

	// firstUnsafe is the first UNSAFE kind: an option that a receiver must not
	// skip when it doesn't know it (sections 10 and 12).
	firstUnsafe Kind = 192
)

// Lengths of whole options in bytes, Kind and Length fields included.
const (
	lenAPC             = 6
	lenFragNonTerminal = 10
	lenFragTerminal    = 12
	lenMDS             = 4
	lenMRDS            = 5
	lenEcho            = 6 // REQ and RES
	lenTIME            = 10
	lenEXP             = 4 // at least: an experiment identifier follows
)

// Safe reports whether a receiver that doesn't know the option may skip it.
func (k Kind) Safe() bool { return k < firstUnsafe }

// MustSupport reports whether every endpoint that supports UDP Options has to
// support this one (section 10).
func (k Kind) MustSupport() bool { return k <= RES }

func (k Kind) String() string {
	switch k {
	case EOL:
		return "EOL"
	case NOP:
		return "NOP"
	case APC:
		return "APC"
	case FRAG:
		return "FRAG"
	case MDS:
		return "MDS"
	case MRDS:
		return "MRDS"
	case REQ:
		return "REQ"
	case RES:
		return "RES"
	case TIME:
		return "TIME"
	case EXP:
		return "EXP"
	case UEXP:
		return "UEXP"
	}
	if k.Safe() {
		return fmt.Sprintf("SAFE(%d)", uint8(k))
	}
	return fmt.Sprintf("UNSAFE(%d)", uint8(k))
}

// minLen is the least length of an option of this kind, Kind and Length fields
// included. A shorter one makes the whole option area malformed (section 10).
func (k Kind) minLen() int {
	switch k {
	case APC:
		return lenAPC
	case FRAG:
		return lenFragNonTerminal
	case MDS:
		return lenMDS
	case MRDS:
		return lenMRDS
	case REQ, RES:
		return lenEcho
	case TIME:
		return lenTIME
	case EXP, UEXP:
		return lenEXP
	}
	return 2
}

// Token identifies a probe: the four bytes of REQ and RES in network order.
type Token uint32

func (t Token) String() string { return fmt.Sprintf("%08x", uint32(t)) }
