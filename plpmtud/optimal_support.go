package plpmtud

import "slices"

// A support is the list of sizes that a search over one range of path MTUs
// probes: those that matter most under the prior, and some in wide gaps.
type support struct {
	size    []uint16  // ascending, bytes of an IP packet; the first is the usual floor
	point   []float64 // mass of exactly this path MTU
	mass    []float64 // mass from this size up to the next
	perByte []float64 // the same, each path MTU divided by its payload
	above   []float64 // mass from this size up
}

const (
	// usualFloor is an IPv4 packet of BASE_PLPMTU (RFC 8899 section 5.1.2).
	usualFloor = DefaultBase + 28
	// gapWaste is the expected waste of what lies between the sizes of a support
	// at which it is fine enough.
	gapWaste = 0.0001
)

// newSupport chooses at most limit sizes from usualFloor to top, which is
// among them. It adds the size that saves the most waste, until the expected
// waste of what lies between the sizes is no more than fine.
func newSupport(prior *Prior, mass []float64, top, limit int, fine float64) *support {
	// perByte[m]: sum over path MTUs below m of mass divided by payload.
	perByte := make([]float64, len(mass)+1)
	for m, w := range mass {
		perByte[m+1] = perByte[m] + w/payload(min(m, top))
	}
	total := 0.0
	for _, w := range mass[usualFloor:] {
		total += w
	}
	sizes := []int{usualFloor, top}
	candidates := supportCandidates(prior, top)
	left := 0.0 // waste of the sizes chosen so far
	for m := usualFloor; m < top; m++ {
		left += mass[m] * float64(m-usualFloor) / payload(m)
	}
	for len(sizes) < limit && left > fine*total {
		var best int
		var most float64
		at := 0
		for _, c := range candidates {
			for sizes[at+1] <= c {
				at++
			}
			if saved := float64(c-sizes[at]) * (perByte[sizes[at+1]] - perByte[c]); saved > most {
				best, most = c, saved
			}
		}
		if best == 0 {
			break
		}
		i, _ := slices.BinarySearch(sizes, best)
		sizes = slices.Insert(sizes, i, best)
		left -= most
	}
	s := &support{}
	for i, size := range sizes {
		end := len(mass)
		if i+1 < len(sizes) {
			end = sizes[i+1]
		}
		cell := 0.0
		for _, w := range mass[size:end] {
			cell += w
		}
		s.size = append(s.size, uint16(size))
		s.point = append(s.point, mass[size])
		s.mass = append(s.mass, cell)
		s.perByte = append(s.perByte, perByte[end]-perByte[size])
	}
	s.above = slices.Clone(s.mass)
	for i := len(sizes) - 2; i >= 0; i-- {
		s.above[i] += s.above[i+1]
	}
	return s
}

// supportCandidates returns, ascending, the sizes between usualFloor and top
// that a support may have: those that the prior names, and in its ranges
// multiples of 4, so that a ceiling below a failed probe is odd unless the
// prior named the size; above Ethernet's MTU, multiples of 64.
func supportCandidates(prior *Prior, top int) []int {
	var list []int
	for _, q := range prior.points {
		list = append(list, q.Size)
	}
	for _, r := range prior.ranges {
		step := 4
		for size := r.Lo + (step-r.Lo%step)%step; size <= r.Hi; size += step {
			if size >= ethernetMTU {
				step = 64
				size += (step - size%step) % step
			}
			list = append(list, size)
		}
	}
	slices.Sort(list)
	list = slices.Compact(list)
	lo, _ := slices.BinarySearch(list, usualFloor+1)
	hi, _ := slices.BinarySearch(list, top)
	return list[lo:max(lo, hi)]
}

// last returns the index of the largest size that is at most the given one;
// the first size, if there is none.
func (s *support) last(size int) int {
	lo, hi := 0, len(s.size)
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; int(s.size[mid]) <= size {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

// first returns the index of the smallest size that is at least the given one;
// len(s.size), if there is none.
func (s *support) first(size int) int {
	i := s.last(size)
	if int(s.size[i]) < size {
		i++
	}
	return i
}
