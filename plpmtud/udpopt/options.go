package udpopt

import (
	"encoding/binary"
	"iter"
)

// extended in the Length field says that the length follows in 16 bits.
const extended = 255

// maxOptions bounds the options other than NOP of one datagram, against
// senders that mean to keep the receiver busy (RFC 9868 section 25.3).
const maxOptions = 32

// Malformed says why the options of a datagram are ignored. The user data is
// not affected, except by UNSAFE options (sections 10, 12 and 14).
type Malformed uint8

const (
	NoRoom         Malformed = iota + 1 // the surplus area is too short for an OCS (section 8)
	NonZeroPad                          // the alignment byte before the OCS is not zero (section 8)
	NoOCS                               // the OCS is zero though the UDP checksum is not (section 9)
	BadOCS                              // the OCS doesn't match (section 9)
	BadLength                           // an option is too short, or runs past the surplus area (section 10)
	NonZeroTail                         // a byte after EOL is not zero (section 11.1)
	TwoFrags                            // more than one FRAG option (section 10)
	FragData                            // a FRAG option beside user data (section 11.4)
	UnsafeOption                        // an UNSAFE option, none of which is supported, or a FRAG of unknown form (sections 10, 12)
	UnsafeFragment                      // the same, in what is otherwise a fragment
	TooMany                             // more options than this package is willing to read (section 25.3)
)

func (m Malformed) Error() string {
	if int(m) < len(malformed) {
		return malformed[m]
	}
	return "udpopt: BUG"
}

var malformed = [...]string{
	NoRoom:         "udpopt: surplus area is too short for an OCS",
	NonZeroPad:     "udpopt: alignment byte before the OCS is not zero",
	NoOCS:          "udpopt: OCS is zero, but the UDP checksum is not",
	BadOCS:         "udpopt: OCS doesn't match the surplus area",
	BadLength:      "udpopt: option length is out of bounds",
	NonZeroTail:    "udpopt: byte after EOL is not zero",
	TwoFrags:       "udpopt: more than one FRAG option",
	FragData:       "udpopt: FRAG option beside user data",
	UnsafeOption:   "udpopt: unsupported UNSAFE option",
	UnsafeFragment: "udpopt: unsupported UNSAFE option in a fragment",
	TooMany:        "udpopt: more than 32 options",
}

// Option is one option, aliasing the surplus area it was parsed from.
type Option struct {
	Kind   Kind
	Offset int    // of its Kind field, in bytes from the start of the surplus area
	Len    int    // bytes of the whole option
	Data   []byte // what follows the Length field; nil for EOL and NOP
}

// Options are the options of one datagram, checked as a whole. The zero value
// holds none. It aliases the surplus area that it was parsed from.
type Options struct {
	surplus []byte
	start   int              // offset of the surplus area in the IP payload
	first   int              // offset of the first option
	end     int              // offset past the last option
	nops    int              // the longest run of NOPs
	at      [TIME + 1]uint16 // offset of the first well-formed instance; 0: absent
	badAPC  bool             // the first APC has a length nobody knows
}

// Parse checks a surplus area and returns its options (RFC 9868 sections 8 to
// 11). start is its offset in the IP payload, which is UDP Length; checksum is
// the UDP checksum field: only where that is zero may the OCS be zero. An empty
// surplus area has no options and is no error.
//
// Either all options are well-formed as far as the framing goes, or none is
// returned: the error is then a Malformed. What section 10 lets a receiver skip
// is skipped: unknown SAFE options, known ones that are longer than they should
// be, and repetitions. Parse does not allocate.
func Parse(surplus []byte, start int, checksum uint16) (Options, error) {
	if len(surplus) == 0 {
		return Options{}, nil
	}
	pad := start & 1
	if len(surplus) < pad+ocsLen {
		return Options{}, NoRoom
	}
	if len(surplus) > maxPayload {
		return Options{}, BadLength
	}
	if pad == 1 && surplus[0] != 0 {
		return Options{}, NonZeroPad
	}
	if binary.BigEndian.Uint16(surplus[pad:]) == 0 {
		if checksum != 0 {
			return Options{}, NoOCS
		}
	} else if surplusSum(surplus, pad) != 0xffff {
		return Options{}, BadOCS
	}
	o := Options{surplus: surplus, start: start, first: pad + ocsLen}
	if err := o.scan(); err != 0 {
		return Options{}, err
	}
	return o, nil
}

// scan walks the options once. Offsets are never 0, since the OCS precedes them.
func (o *Options) scan() Malformed {
	count, run := 0, 0
	i, limit := o.first, len(o.surplus)
	for i < limit {
		k := Kind(o.surplus[i])
		if k == NOP {
			run++
			o.nops = max(o.nops, run)
			i++
			continue
		}
		run = 0
		if k == EOL {
			if !allZero(o.surplus[i:limit]) {
				return NonZeroTail
			}
			i++
			break
		}
		if count++; count > maxOptions {
			return TooMany
		}
		n, head := optionLen(o.surplus[i:limit])
		if n < k.minLen()+head-2 {
			return BadLength
		}
		if bad := o.note(k, i, n, head); bad != 0 {
			return bad
		}
		i += n
		if k == FRAG {
			// What follows Frag. Start is the fragment's data, not options.
			f, _ := o.FRAG()
			limit = int(f.Start) - o.start
			if limit < i || limit > len(o.surplus) {
				return BadLength
			}
		}
	}
	o.end = i
	return 0
}

// note remembers the first instance of a known option.
func (o *Options) note(k Kind, at, n, head int) Malformed {
	switch {
	case !k.Safe():
		if o.at[FRAG] != 0 {
			return UnsafeFragment
		}
		return UnsafeOption
	case k > TIME:
		return 0
	case k == FRAG:
		if o.at[FRAG] != 0 {
			return TwoFrags
		}
		if head != 2 || n != lenFragNonTerminal && n != lenFragTerminal {
			return UnsafeOption
		}
	case o.at[k] != 0 || k == APC && o.badAPC:
		return 0
	case head != 2 || n != k.minLen():
		o.badAPC = o.badAPC || k == APC
		return 0
	}
	o.at[k] = uint16(at)
	return 0
}

// optionLen returns the length of the option at the start of b, which is
// neither EOL nor NOP, and that of its Kind and Length fields: 2, or 4 for the
// extended form. 0: it doesn't fit, or is shorter than its own head.
func optionLen(b []byte) (n, head int) {
	if len(b) < 2 {
		return 0, 2
	}
	n, head = int(b[1]), 2
	if n == extended {
		if len(b) < 4 {
			return 0, 4
		}
		n, head = int(binary.BigEndian.Uint16(b[2:])), 4
	}
	if n < head || n > len(b) {
		return 0, head
	}
	return n, head
}

func allZero(b []byte) bool {
	for len(b) >= 8 {
		if binary.NativeEndian.Uint64(b) != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// All yields every option in the order of the surplus area, NOP and EOL, unknown
// and repeated ones included.
func (o Options) All() iter.Seq[Option] {
	return func(yield func(Option) bool) {
		for i := o.first; i < o.end; {
			opt := Option{Kind: Kind(o.surplus[i]), Offset: i, Len: 1}
			if opt.Kind != EOL && opt.Kind != NOP {
				n, head := optionLen(o.surplus[i:])
				opt.Len = n
				opt.Data = o.surplus[i+head : i+n : i+n]
			}
			if !yield(opt) {
				return
			}
			i += opt.Len
		}
	}
}

// Has reports whether a well-formed option of a kind that this package knows,
// APC to TIME, is present.
func (o Options) Has(k Kind) bool { return k <= TIME && o.at[k] != 0 }

// NOPs is the length of the longest run of NOP options. More than seven in a row
// serve no alignment; a receiver may log that as a sign of abuse (section 11.2).
func (o Options) NOPs() int { return o.nops }

// data returns what follows the Length field of a present option.
func (o Options) data(k Kind) []byte { return o.surplus[o.at[k]+2:] }

// REQ returns the token of an echo request.
func (o Options) REQ() (Token, bool) { return o.token(REQ) }

// RES returns the token of an echo response.
func (o Options) RES() (Token, bool) { return o.token(RES) }

func (o Options) token(k Kind) (Token, bool) {
	if o.at[k] == 0 {
		return 0, false
	}
	return Token(binary.BigEndian.Uint32(o.data(k))), true
}

// MDS returns the peer's Maximum Datagram Size: its IP MTU less the fixed IP and
// UDP headers, in bytes. It is a hint, and must not limit what is sent
// (section 11.5).
func (o Options) MDS() (uint16, bool) {
	if o.at[MDS] == 0 {
		return 0, false
	}
	return binary.BigEndian.Uint16(o.data(MDS)), true
}

// Reassembly is what an endpoint can put together: the content of an MRDS option
// (section 11.6).
type Reassembly struct {
	Size     uint16 // largest reassembled datagram in bytes: UDP header, user data and its options
	Segments uint8  // most fragments of one datagram
}

// MRDS returns the peer's Maximum Reassembled Datagram Size.
func (o Options) MRDS() (Reassembly, bool) {
	if o.at[MRDS] == 0 {
		return Reassembly{}, false
	}
	d := o.data(MRDS)
	return Reassembly{Size: binary.BigEndian.Uint16(d), Segments: d[2]}, true
}

// Timestamp is the content of a TIME option (section 11.8). Zero in a field says
// that it holds nothing.
type Timestamp struct {
	Value uint32 // TSval: the sender's
	Echo  uint32 // TSecr: the one it answers
}

// TIME returns the timestamps.
func (o Options) TIME() (Timestamp, bool) {
	if o.at[TIME] == 0 {
		return Timestamp{}, false
	}
	d := o.data(TIME)
	return Timestamp{Value: binary.BigEndian.Uint32(d), Echo: binary.BigEndian.Uint32(d[4:])}, true
}

// FRAG returns the fragmentation option.
func (o Options) FRAG() (Frag, bool) {
	at := o.at[FRAG]
	if at == 0 {
		return Frag{}, false
	}
	d := o.data(FRAG)
	f := Frag{
		Start:  binary.BigEndian.Uint16(d),
		ID:     binary.BigEndian.Uint32(d[2:]),
		Offset: binary.BigEndian.Uint16(d[6:]),
	}
	if o.surplus[at+1] == lenFragTerminal {
		f.Terminal = true
		f.RDOS = binary.BigEndian.Uint16(d[8:])
	}
	return f, true
}

// APCStatus is the outcome of an Additional Payload Checksum.
type APCStatus uint8

const (
	// APCAbsent: there is no such option.
	APCAbsent APCStatus = iota
	// APCPassed: the checksum matches.
	APCPassed
	// APCFailed: the checksum doesn't match, or the option has a length that
	// nobody knows. The user data is delivered all the same, with this status,
	// unless the user wants otherwise (section 11.3).
	APCFailed
)

// CheckAPC verifies the user data against the APC option, if there is one.
func (o Options) CheckAPC(data []byte) APCStatus {
	switch {
	case o.badAPC:
		return APCFailed
	case o.at[APC] == 0:
		return APCAbsent
	case binary.BigEndian.Uint32(o.data(APC)) == PayloadChecksum(data):
		return APCPassed
	}
	return APCFailed
}
