package udpopt

import (
	"encoding/binary"
	"errors"
)

// MaxOptionData is how many bytes the data of one option can have.
const MaxOptionData = maxPayload - 4

// ErrOptionTooLong reports option data longer than MaxOptionData.
var ErrOptionTooLong = errors.New("udpopt: option data is longer than 65531 bytes")

// AppendNOP appends n NOP options. A sender should use no more than seven in a
// row, and none instead of EOL (RFC 9868 section 11.2).
func AppendNOP(b []byte, n int) []byte {
	for range n {
		b = append(b, byte(NOP))
	}
	return b
}

// AppendEOL appends an EOL option. AppendDatagram does so itself where needed.
func AppendEOL(b []byte) []byte { return append(b, byte(EOL)) }

// AppendAPC appends an APC option with the PayloadChecksum of the user data
// (section 11.3).
func AppendAPC(b []byte, crc uint32) []byte {
	b = append(b, byte(APC), lenAPC)
	return binary.BigEndian.AppendUint32(b, crc)
}

// AppendMDS appends an MDS option (section 11.5). size is the largest datagram
// that this end believes it can receive unfragmented, as an IP MTU less the
// fixed IP and UDP headers: 1472 bytes for an MTU of 1500 over IPv4.
func AppendMDS(b []byte, size uint16) []byte {
	b = append(b, byte(MDS), lenMDS)
	return binary.BigEndian.AppendUint16(b, size)
}

// AppendMRDS appends an MRDS option (section 11.6).
func AppendMRDS(b []byte, m Reassembly) []byte {
	b = append(b, byte(MRDS), lenMRDS)
	b = binary.BigEndian.AppendUint16(b, m.Size)
	return append(b, m.Segments)
}

// AppendREQ appends an echo request (section 11.7).
func AppendREQ(b []byte, t Token) []byte {
	b = append(b, byte(REQ), lenEcho)
	return binary.BigEndian.AppendUint32(b, uint32(t))
}

// AppendRES appends an echo response. The token is one that was received in a
// REQ of the same socket pair (section 11.7).
func AppendRES(b []byte, t Token) []byte {
	b = append(b, byte(RES), lenEcho)
	return binary.BigEndian.AppendUint32(b, uint32(t))
}

// AppendTIME appends a timestamp option (section 11.8).
func AppendTIME(b []byte, t Timestamp) []byte {
	b = append(b, byte(TIME), lenTIME)
	b = binary.BigEndian.AppendUint32(b, t.Value)
	return binary.BigEndian.AppendUint32(b, t.Echo)
}

// AppendFRAG appends a FRAG option (section 11.4): 10 bytes, 12 for the terminal
// fragment.
func AppendFRAG(b []byte, f Frag) []byte {
	n := byte(lenFragNonTerminal)
	if f.Terminal {
		n = lenFragTerminal
	}
	b = append(b, byte(FRAG), n)
	b = binary.BigEndian.AppendUint16(b, f.Start)
	b = binary.BigEndian.AppendUint32(b, f.ID)
	b = binary.BigEndian.AppendUint16(b, f.Offset)
	if f.Terminal {
		b = binary.BigEndian.AppendUint16(b, f.RDOS)
	}
	return b
}

// AppendOption appends an option of any kind with the given data. Options of
// more than 254 bytes use the extended length, shorter ones must not
// (section 10). EOL and NOP have no data and ignore it.
func AppendOption(b []byte, k Kind, data []byte) ([]byte, error) {
	switch n := len(data); {
	case k == EOL || k == NOP:
		return append(b, byte(k)), nil
	case n > MaxOptionData:
		return b, ErrOptionTooLong
	case n+2 < extended:
		b = append(b, byte(k), byte(n+2))
	default:
		b = append(b, byte(k), extended)
		b = binary.BigEndian.AppendUint16(b, uint16(n+4))
	}
	return append(b, data...), nil
}
