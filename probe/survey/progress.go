package survey

import (
	"fmt"
	"math/bits"
)

// Progress says which targets of a shard are finished: those before Base, and
// those from Base on whose bit is set, least significant first.
type Progress struct {
	Base     uint64
	Finished []uint64
}

// mostBitmap bounds a Progress: 64 Mi targets between the oldest that isn't
// finished and the newest that is.
const mostBitmap = 1 << 20

// ledger keeps Progress. Its memory follows the distance between the oldest
// target that isn't finished and the newest that was begun.
type ledger struct {
	n        uint64
	base     uint64 // a multiple of 64 from the first
	words    []uint64
	next     uint64 // to begin
	finished uint64
}

func newLedger(n uint64, p *Progress) (*ledger, error) {
	l := &ledger{n: n}
	if p == nil {
		return l, nil
	}
	bad := func(format string, args ...any) error {
		return fmt.Errorf("survey: progress: "+format, args...)
	}
	if p.Base > n {
		return nil, bad("base is %d, want at most %d, the number of targets", p.Base, n)
	}
	if len(p.Finished) > mostBitmap {
		return nil, bad("%d words, want at most %d", len(p.Finished), mostBitmap)
	}
	if k := len(p.Finished); k > 0 && p.Finished[k-1] != 0 {
		if last := p.Base + uint64(k-1)*64 + uint64(bits.Len64(p.Finished[k-1])); last > n {
			return nil, bad("target %d is finished, want less than %d, the number of targets", last-1, n)
		}
	}
	l.base, l.next = p.Base, p.Base
	l.words = append(l.words, p.Finished...)
	l.finished = p.Base
	for _, w := range l.words {
		l.finished += uint64(bits.OnesCount64(w))
	}
	return l, nil
}

func (l *ledger) isFinished(i uint64) bool {
	if i < l.base {
		return true
	}
	w := (i - l.base) / 64
	return w < uint64(len(l.words)) && l.words[w]>>((i-l.base)%64)&1 != 0
}

// more says whether there are targets to begin.
func (l *ledger) more() bool {
	for l.next < l.n && l.isFinished(l.next) {
		l.next++
	}
	return l.next < l.n
}

// begin returns the next target to begin.
func (l *ledger) begin() (uint64, bool) {
	if !l.more() {
		return 0, false
	}
	l.next++
	return l.next - 1, true
}

func (l *ledger) finish(i uint64) {
	w := (i - l.base) / 64
	for uint64(len(l.words)) <= w {
		l.words = append(l.words, 0)
	}
	l.words[w] |= 1 << ((i - l.base) % 64)
	l.finished++
	full := 0
	for full < len(l.words) && l.words[full] == ^uint64(0) {
		full++
	}
	if full > 0 {
		l.words = append(l.words[:0], l.words[full:]...)
		l.base += 64 * uint64(full)
	}
}

func (l *ledger) progress() Progress {
	p := Progress{Base: l.base, Finished: append([]uint64(nil), l.words...)}
	if l.finished == l.n {
		p = Progress{Base: l.n}
	}
	return p
}
