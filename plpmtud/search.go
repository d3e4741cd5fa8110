package plpmtud

// A Search answers one question: given what is known of the path, which size
// to probe next? Implementations are pure: the answer depends on the Evidence
// alone. They are shared by any number of paths and safe for concurrent use.
type Search interface {
	// Next returns the next size to probe, in bytes of PL size: more than
	// e.Floor and at most e.Ceiling; or e.Floor itself, to make sure that the
	// path still works; or 0, when no size between them is worth a probe.
	// Whatever lies outside that range is taken for 0.
	Next(e Evidence) int
	// Counting says how this search wants losses to be counted.
	Counting() Counting
}

// Counting says what MAX_PROBES lost probes mean while searching.
type Counting uint8

const (
	// AnySize counts as RFC 8899 section 5.1.3 does: MAX_PROBES consecutive
	// losses of any size, with no acknowledgement between them, end the search.
	// Losses pool: one at size s is evidence against every size from s up.
	AnySize Counting = iota
	// PerSize repeats a lost size until it is acknowledged or was lost
	// MAX_PROBES times; then it becomes the ceiling, and the search goes on
	// below it. This is what most implementations do.
	PerSize
)

func (c Counting) String() string {
	switch c {
	case AnySize:
		return "any-size"
	case PerSize:
		return "per-size"
	}
	return "BUG"
}

// maxLost is how many distinct lost sizes a path remembers. When there are
// more, the largest is forgotten: the smaller ones say more.
const maxLost = 4

// LostSize is a size whose probes were lost, and how many.
type LostSize struct {
	Size  uint16 // bytes of PL size
	Count uint16 // probes lost at exactly this size, with no ack of that size or a larger one since
}

// Evidence is what a path knows while it searches.
type Evidence struct {
	// Floor is the largest size acknowledged: the PLPMTU. Bytes of PL size.
	Floor int
	// Ceiling is the largest size that is still possible: MAX_PLPMTU, or just
	// below a size that was given up or that a hint excluded.
	Ceiling int
	// GaveUp says that Ceiling is just below a size that was lost too often. If
	// not, it is a limit that may itself be the path MTU: MAX_PLPMTU, or what a
	// hint named.
	GaveUp bool
	// Lost lists, in ascending order, the sizes in (Floor, Ceiling] at which
	// probes were lost. Only the first N are set.
	Lost [maxLost]LostSize
	N    int
	// Consecutive is PROBE_COUNT: losses of any size since the last
	// acknowledgement.
	Consecutive int
	// MaxProbes is MAX_PROBES.
	MaxProbes int
	// LossCost is how long it takes to learn that a probe was lost, in round
	// trips, as measured or derived from PROBE_TIMER. 0: not known yet.
	LossCost float32
	// Overhead is Config.Overhead, for a search that thinks in IP packets.
	Overhead int
}

// Pooled returns how many losses count against the given size: those at this
// size and at every smaller one.
func (e Evidence) Pooled(size int) int {
	n := 0
	for _, l := range e.Lost[:e.N] {
		if int(l.Size) > size {
			break
		}
		n += int(l.Count)
	}
	return n
}

// lowestLost returns the smallest lost size, or 0 if there is none.
func (e Evidence) lowestLost() int {
	if e.N == 0 {
		return 0
	}
	return int(e.Lost[0].Size)
}
