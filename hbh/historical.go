package hbh

import (
	"encoding/binary"
	"errors"
)

// HistoricalType is the experimental option type (RFC 4727) of the drafts
// before IANA assigned 0x30.
const HistoricalType = 0x3e

// Layout names a layout of an early draft of what became RFC 9268. They are
// only decoded, to explain packets of old prototypes; nothing sends them.
type Layout uint8

// Layouts.
const (
	Layout2018 Layout = iota + 1 // November 2018: one 16-bit MTU, answered with a Packet Too Big
	Layout2019                   // March 2019: MTU, then R as the first of 16 bits and a 15-bit MTU
)

func (l Layout) String() string {
	switch l {
	case Layout2018:
		return "0x3e, length 2 (2018)"
	case Layout2019:
		return "0x3e, length 4, R first (2019)"
	}
	return "unknown"
}

// ErrHistorical reports option data of neither historical layout.
var ErrHistorical = errors.New("hbh: option 0x3e has neither 2 nor 4 bytes of data")

// ParseHistorical decodes the data of an option of type 0x3e. Type 0x3e is
// free for any experiment, so a match proves nothing.
func ParseHistorical(data []byte) (Layout, Option, error) {
	switch len(data) {
	case 2:
		return Layout2018, Option{Min: binary.BigEndian.Uint16(data)}, nil
	case 4:
		v := binary.BigEndian.Uint16(data[2:])
		return Layout2019, Option{Min: binary.BigEndian.Uint16(data), Rtn: v & 0x7fff, R: v&0x8000 != 0}, nil
	}
	return 0, Option{}, ErrHistorical
}
