package internet

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/netip"
)

// MostTargets is how many different addresses of one family Targets yields.
const MostTargets = 1 << 24

// Where the addresses are that Targets yields.
var (
	Targets4 = netip.MustParsePrefix("10.0.0.0/8")    // private use, RFC 1918
	Targets6 = netip.MustParsePrefix("2001:db8::/33") // documentation, RFC 3849
)

// The scanner's addresses, on the interface that leads into the simulated Internet.
var (
	Source4 = netip.MustParseAddr("192.0.2.1")
	Source6 = netip.MustParseAddr("2001:db8:ffff::1")
)

// Targets yields n different addresses of a family (4 or 6), spread over many
// networks, in an order that depends on the seed. Not all of them exist. It
// returns an error if n is not in 1 to MostTargets.
func Targets(seed uint64, family, n int) (iter.Seq[netip.Addr], error) {
	if n < 1 || n > MostTargets {
		return nil, fmt.Errorf("internet: %d targets: want 1 to %d", n, MostTargets)
	}
	if family != 4 && family != 6 {
		return nil, fmt.Errorf("internet: family %d: want 4 or 6", family)
	}
	return func(yield func(netip.Addr) bool) {
		for i := range n {
			// An odd factor makes this a bijection of 24 bits.
			x := (uint32(i)*0x9e3779b1 + uint32(mix(seed))) & 0xffffff
			var a netip.Addr
			if family == 4 {
				a = netip.AddrFrom4([4]byte{10, byte(x >> 16), byte(x >> 8), byte(x)})
			} else {
				b := Targets6.Addr().As16()
				b[4], b[5] = byte(x>>17), byte(x>>9) // the /48
				b[6], b[7] = byte(x>>8)&1, byte(x)
				binary.BigEndian.PutUint64(b[8:], mix(seed^uint64(x)))
				a = netip.AddrFrom16(b)
			}
			if !yield(a) {
				return
			}
		}
	}, nil
}

// WriteTruth writes the truth about addresses as JSON Lines.
func (w *World) WriteTruth(out io.Writer, addrs iter.Seq[netip.Addr]) error {
	b := bufio.NewWriterSize(out, 1<<16)
	e := json.NewEncoder(b)
	for a := range addrs {
		if err := e.Encode(w.Host(a)); err != nil {
			return err
		}
	}
	return b.Flush()
}
