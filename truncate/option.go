package truncate

import (
	"encoding/binary"
	"errors"
	"fmt"

	"pathmtu/internal/ip6"
)

// Revision is a text of the draft.
type Revision uint8

// Revisions.
const (
	T1 Revision = iota // 2018-10-10, published as -05
	T0                 // 2018-09-28, with the Enhanced option
)

func (r Revision) String() string {
	if r == T0 {
		return "T0"
	}
	return "T1"
}

// Codes are the option types. The zero value stands for DefaultCodes.
type Codes struct{ Eligible, Truncated, Enhanced uint8 }

// DefaultCodes are of the ranges for experiments (RFC 4727), which every
// deployment of the draft has to choose from.
var DefaultCodes = Codes{Eligible: 0x1e, Truncated: 0x9e, Enhanced: 0xbe}

func (c Codes) orDefault() Codes {
	if c == (Codes{}) {
		return DefaultCodes
	}
	return c
}

// Validate checks what the draft asks of the types: Eligible is skipped by
// nodes that do not know it (act 00), Truncated and Enhanced make them discard
// and report (act 10), Enhanced is mutable, and all differ.
func (c Codes) Validate() error {
	c = c.orDefault()
	switch {
	case c.Eligible <= ip6.OptPadN || c.Eligible>>6 != 0:
		return fmt.Errorf("truncate: Codes.Eligible %#02x: want 0x02..0x3f (action bits 00, not padding)", c.Eligible)
	case c.Truncated>>6 != 2:
		return fmt.Errorf("truncate: Codes.Truncated %#02x: want 0x80..0xbf (action bits 10)", c.Truncated)
	case c.Enhanced>>5 != 5:
		return fmt.Errorf("truncate: Codes.Enhanced %#02x: want 0xa0..0xbf (action bits 10, mutable)", c.Enhanced)
	case c.Truncated == c.Enhanced:
		return fmt.Errorf("truncate: Codes.Truncated and Codes.Enhanced are both %#02x", c.Truncated)
	}
	return nil
}

// Lengths of option data in bytes.
const (
	BasicLen    = 0 // Eligible and Truncated
	EnhancedLen = 3
)

// Enhanced is the data of an Enhanced Truncation Eligible option (T0).
type Enhanced struct {
	// OPL is the Original Payload Length: IPv6 payload bytes of the packet as
	// sent, without the padding that the source added behind it.
	OPL uint16
	T   bool // a router has cut the packet
}

// ErrEnhancedLength reports Enhanced data that is not 3 bytes long.
var ErrEnhancedLength = errors.New("truncate: Opt Data Len of Enhanced Truncation Eligible is not 3")

// ParseEnhanced decodes option data, without type and length. The reserved
// bits are ignored.
func ParseEnhanced(data []byte) (Enhanced, error) {
	if len(data) != EnhancedLen {
		return Enhanced{}, ErrEnhancedLength
	}
	return Enhanced{OPL: binary.BigEndian.Uint16(data), T: data[2]&0x80 != 0}, nil
}

// AppendData appends the three bytes of option data, reserved bits zero.
func (e Enhanced) AppendData(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, e.OPL)
	if e.T {
		return append(b, 0x80)
	}
	return append(b, 0)
}
