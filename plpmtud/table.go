package plpmtud

// Table climbs through a fixed list of sizes and stops at the first that is
// lost MAX_PROBES times. The sizes are those of whole IP packets, in bytes; a
// Path's Overhead turns them into PL sizes. Sizes of no use on a path, and the
// order of the list, don't matter. A Table must not change while it is in use.
type Table []int

// PlateauTable lists common path MTUs: the IPv6 minimum, what tunnels and
// mobile networks leave of an Ethernet frame, Ethernet, FDDI and jumbo frames.
var PlateauTable = Table{1280, 1360, 1400, 1420, 1440, 1460, 1480, 1492, 1500, 4352, 8000, 9000, 16384, 32768, 65535}

// Counting returns PerSize.
func (Table) Counting() Counting { return PerSize }

// Next implements Search. It does not allocate.
func (t Table) Next(e Evidence) int {
	if s := e.lowestLost(); s != 0 {
		return s
	}
	next := 0
	for _, size := range t {
		size -= e.Overhead
		if size > e.Floor && size <= e.Ceiling && (next == 0 || size < next) {
			next = size
		}
	}
	return next
}
