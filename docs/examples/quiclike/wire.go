package quiclike

import (
	"encoding/binary"
	"errors"
)

// HeaderLen is what each packet spends before its data, in bytes.
const HeaderLen = 24

type kind uint8

const (
	kindData  kind = 1 + iota // Offset says where in the stream the data belong
	kindLast                  // the same, and the stream ends after them
	kindPing                  // nothing, wants an acknowledgement
	kindProbe                 // the same, padded
	kindAck                   // ranges of numbers instead of data
)

// header begins each packet:
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+---------------+-----------------------------------------------+
//	|     Kind      |                       0                       |
//	+---------------+-----------------------------------------------+
//	|                            Number                             |
//	+---------------------------------------------------------------+
//	|            Connection, unpredictable (8 bytes)                |
//	+---------------------------------------------------------------+
//	|            Offset (8 bytes)                                   |
//	+---------------------------------------------------------------+
type header struct {
	kind   kind
	number uint32
	conn   uint64
	offset uint64
}

var errMalformed = errors.New("quiclike: malformed packet")

func (h header) append(b []byte) []byte {
	b = append(b, byte(h.kind), 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, h.number)
	b = binary.BigEndian.AppendUint64(b, h.conn)
	return binary.BigEndian.AppendUint64(b, h.offset)
}

func parseHeader(b []byte) (header, []byte, error) {
	if len(b) < HeaderLen || kind(b[0]) < kindData || kind(b[0]) > kindAck {
		return header{}, nil, errMalformed
	}
	return header{
		kind:   kind(b[0]),
		number: binary.BigEndian.Uint32(b[4:]),
		conn:   binary.BigEndian.Uint64(b[8:]),
		offset: binary.BigEndian.Uint64(b[16:]),
	}, b[HeaderLen:], nil
}

// numbers is a range of packet numbers, both ends included.
type numbers struct{ lo, hi uint32 }

// maxRanges bounds the ranges of one acknowledgement.
const maxRanges = 32

func appendRanges(b []byte, ranges []numbers) []byte {
	for _, r := range ranges {
		b = binary.BigEndian.AppendUint32(b, r.lo)
		b = binary.BigEndian.AppendUint32(b, r.hi)
	}
	return b
}

// parseRanges returns ascending, disjoint ranges.
func parseRanges(b []byte) ([]numbers, error) {
	if len(b)%8 != 0 || len(b) == 0 || len(b)/8 > maxRanges {
		return nil, errMalformed
	}
	ranges := make([]numbers, 0, len(b)/8)
	for ; len(b) > 0; b = b[8:] {
		r := numbers{binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])}
		if r.lo > r.hi || len(ranges) > 0 && r.lo <= ranges[len(ranges)-1].hi {
			return nil, errMalformed
		}
		ranges = append(ranges, r)
	}
	return ranges, nil
}
