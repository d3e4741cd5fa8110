package store

import (
	"cmp"
	"container/heap"
	"errors"
	"io"
	"os"
	"slices"

	"github.com/klauspost/compress/zstd"

	"pathmtu/results"
)

// MergeStats counts what a Merger was given, and what came of it.
// Records = Targets + Identical + Superseded.
type MergeStats struct {
	Records    int64 `json:"records"`
	Targets    int64 `json:"targets"`    // one record each
	Identical  int64 `json:"identical"`  // records that are there twice
	Superseded int64 `json:"superseded"` // by a later one, or a final one
	NotFinal   int64 `json:"not_final"`  // targets of which there is no final record
}

// Merger sorts records by target, and keeps one for each: see
// results.Record.Compare. The outcome doesn't depend on the order of records.
// What doesn't fit into memory goes to temporary files. It isn't safe for
// concurrent use.
type Merger struct {
	// ByVantage: the same target from another vantage point is another target.
	ByVantage bool
	// Batch is how many records are held in memory, at a few KiB each; 0: 32768.
	Batch int

	stats  MergeStats
	memory []entry
	runs   []*os.File // sorted, without duplicates
}

const (
	batch    = 1 << 15
	mostRuns = 64 // that are read at the same time
)

type entry struct {
	key results.Key
	rec *results.Record
}

// Add takes a record, which must not be changed after.
func (m *Merger) Add(r *results.Record) error {
	m.stats.Records++
	m.memory = append(m.memory, entry{m.key(r), r})
	if most := cmp.Or(m.Batch, batch); len(m.memory) < most {
		return nil
	}
	return m.spill()
}

func (m *Merger) key(r *results.Record) results.Key {
	if m.ByVantage {
		return r.VantageKey()
	}
	return r.Key()
}

// Each calls f for each target's record, sorted by Key. It can be called once.
func (m *Merger) Each(f func(*results.Record) error) error {
	return m.merge(func(r *results.Record) error {
		m.stats.Targets++
		if !r.Final() {
			m.stats.NotFinal++
		}
		return f(r)
	})
}

// Stats returns the counts; complete after Each.
func (m *Merger) Stats() MergeStats { return m.stats }

// Close removes the temporary files.
func (m *Merger) Close() error {
	var all []error
	for _, f := range m.runs {
		all = append(all, f.Close(), os.Remove(f.Name()))
	}
	m.runs = nil
	return errors.Join(all...)
}

// spill writes what is in memory to a run; when there are too many of them, all
// become one.
func (m *Merger) spill() error {
	var old []*os.File
	if len(m.runs) == mostRuns {
		old = m.runs
	} else {
		keep := m.runs
		m.runs = nil
		defer func() { m.runs = append(keep, m.runs...) }()
	}
	f, err := os.CreateTemp("", "pmtu-merge-*.jsonl.zst")
	if err != nil {
		return err
	}
	err = m.writeRun(f)
	m.runs = []*os.File{f}
	for _, o := range old {
		err = errors.Join(err, o.Close(), os.Remove(o.Name()))
	}
	return err
}

func (m *Merger) writeRun(f *os.File) error {
	z, err := zstd.NewWriter(f, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(128<<10), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return err
	}
	w := results.NewWriter(z)
	err = errors.Join(m.merge(w.Write), z.Close())
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	return err
}

// merge hands on the records of all runs and of memory, sorted, one for each
// target, and forgets those in memory.
func (m *Merger) merge(f func(*results.Record) error) error {
	slices.SortStableFunc(m.memory, func(a, b entry) int { return cmp.Compare(a.key, b.key) })
	sources := cursors{{next: fromMemory(m.memory)}}
	m.memory = nil
	for _, run := range m.runs {
		z, err := zstd.NewReader(run, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
		if err != nil {
			return err
		}
		defer z.Close()
		sources = append(sources, &cursor{next: m.fromRun(results.NewReader(z))})
	}
	var ready cursors
	for _, c := range sources {
		switch err := c.advance(); {
		case err == nil:
			ready = append(ready, c)
		case err != io.EOF:
			return err
		}
	}
	heap.Init(&ready)
	var best entry
	for len(ready) > 0 {
		e := ready[0].head
		switch err := ready[0].advance(); {
		case err == nil:
			heap.Fix(&ready, 0)
		case err == io.EOF:
			heap.Pop(&ready)
		default:
			return err
		}
		if best.rec != nil && !m.absorb(&best, e) {
			if err := f(best.rec); err != nil {
				return err
			}
			best = entry{}
		}
		if best.rec == nil {
			best = e
		}
	}
	if best.rec == nil {
		return nil
	}
	return f(best.rec)
}

// absorb makes one of two neighbours in the order if they are about the same
// target. A record without a family is about the same target as one that has
// one, and counts less.
func (m *Merger) absorb(best *entry, e entry) bool {
	if prefix, unresolved := best.key.Unresolved(); unresolved && best.key != e.key {
		if other, _ := e.key.Unresolved(); other != prefix {
			return false
		}
		m.stats.Superseded++
		*best = e
		return true
	}
	if best.key != e.key {
		return false
	}
	switch c := best.rec.Compare(e.rec); {
	case c == 0:
		m.stats.Identical++
	case c < 0:
		*best = e
		fallthrough
	default:
		m.stats.Superseded++
	}
	return true
}

func fromMemory(entries []entry) func() (entry, error) {
	return func() (entry, error) {
		if len(entries) == 0 {
			return entry{}, io.EOF
		}
		e := entries[0]
		entries[0] = entry{} // not needed any more
		entries = entries[1:]
		return e, nil
	}
}

func (m *Merger) fromRun(r *results.Reader) func() (entry, error) {
	return func() (entry, error) {
		rec, err := r.Read()
		if err != nil {
			return entry{}, err
		}
		return entry{m.key(rec), rec}, nil
	}
}

// cursor is a sorted source with its next entry.
type cursor struct {
	head entry
	next func() (entry, error)
}

func (c *cursor) advance() (err error) {
	c.head, err = c.next()
	return err
}

// cursors is a heap, the least key first.
type cursors []*cursor

func (c cursors) Len() int           { return len(c) }
func (c cursors) Less(i, j int) bool { return c[i].head.key < c[j].head.key }
func (c cursors) Swap(i, j int)      { c[i], c[j] = c[j], c[i] }
func (c *cursors) Push(x any)        { *c = append(*c, x.(*cursor)) }
func (c *cursors) Pop() any {
	old := *c
	last := old[len(old)-1]
	*c = old[:len(old)-1]
	return last
}
