package plpmtud

// refineWaste is the expected unused share of the payload, between two sizes of
// the support, at which the search stops.
const refineWaste = 0.002

// lowFloor is the floor below which a path is not one that the prior is about:
// whether it carries packets of the usual size at all is the first question.
const lowFloor = usualFloor * 9 / 10

// climb searches from a floor below lowFloor: it tries the usual floor, or a
// limit below it, as often as it may, and halves the rest of the range.
func (st *situation) climb(e *Evidence) int {
	ceiling := e.Ceiling + e.Overhead
	switch {
	case ceiling >= usualFloor:
		return e.guarded(usualFloor - e.Overhead)
	case st.open:
		return e.guarded(e.Ceiling)
	}
	return st.refine(e)
}

// guarded returns the size, or the floor if one more loss would end the search.
func (e *Evidence) guarded(size int) int {
	if e.Consecutive > 0 && e.Consecutive+1 >= e.MaxProbes {
		return e.Floor
	}
	return size
}

// refine searches between the floor and the next size of the support, which
// was found too large or all but.
func (st *situation) refine(e *Evidence) int {
	floor := e.Floor + e.Overhead
	end := e.Ceiling + e.Overhead + 1 // the smallest size that is impossible
	if st.f+1 < len(st.r.size) && int(st.r.size[st.f+1]) > floor {
		end = min(end, int(st.r.size[st.f+1]))
	}
	inner := 1.0 // probability that the path MTU is none of the support's
	if point := st.r.point[st.f]; point > 0 && int(st.r.size[st.f]) == floor && floor >= usualFloor {
		inner = 1 - point/st.r.mass[st.f]
	}
	lost := 0 // smallest size that was lost and is not impossible
	times := 0
	if e.N > 0 {
		if size := int(e.Lost[0].Size) + e.Overhead; size < end {
			lost, times = size, int(e.Lost[0].Count)
		}
	}
	worth := func(lo, hi int) bool {
		return hi-lo > 2 && inner*float64(hi-lo-1)/2 > refineWaste*payload(lo)
	}
	next := 0
	switch {
	case lost == 0:
		if worth(floor, end) {
			next = (floor + end) / 2
		}
	case worth(floor, lost):
		next = (floor + lost) / 2
	case times < 2 && inner*float64(end-lost)*judgedLoss > refineWaste*payload(floor):
		next = lost
	}
	if next == 0 {
		return 0
	}
	return e.guarded(next - e.Overhead)
}
