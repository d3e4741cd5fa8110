package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"pathmtu/probe/survey"
	"pathmtu/results"
)

// Output keeps lines. It isn't safe for concurrent use.
type Output interface {
	Write([]byte) (int, error)
	// Sync makes what was written last.
	Sync() error
}

// Totals is what a Collector has.
type Totals struct {
	Records    uint64            `json:"records"`
	Expected   uint64            `json:"expected"`
	ByVantage  map[string]uint64 `json:"by_vantage"`
	Measured   uint64            `json:"measured"`   // records with a PMTU
	Unfinished uint64            `json:"unfinished"` // records without a verdict
	// Duplicates are records that came again, because a shard was handed out
	// again; Rejected are blocks that are not of the survey.
	Duplicates uint64 `json:"duplicates"`
	Rejected   uint64 `json:"rejected"`
	Repaired   uint64 `json:"repaired"` // shards that were enqueued again, because records were missing
	// Same and Differ are targets with a PMTU from more than one vantage.
	Same   uint64 `json:"same"`
	Differ uint64 `json:"differ"`
}

// Collector writes each final record of a survey once. It isn't safe for
// concurrent use.
type Collector struct {
	Totals
	backend Backend
	plan    *Plan
	set     *survey.Set
	out     Output
	seen    map[string][]uint64 // of each vantage, a bit for each target
	pmtu    map[string][]uint16 // of each vantage, if there are several
	idle    int
	// Observe is called after each round. It may be nil.
	Observe func(Totals)
	// Log tells people. It may be nil.
	Log func(format string, args ...any)
}

// NewCollector returns a Collector of a survey's records to out.
func NewCollector(b Backend, p *Plan, set *survey.Set, out Output) (*Collector, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if set.Len() != p.Targets {
		return nil, &PlanError{"targets", p.Targets, fmt.Sprintf("%d, as many as the list holds", set.Len())}
	}
	c := &Collector{backend: b, plan: p, set: set, out: out, seen: map[string][]uint64{}, pmtu: map[string][]uint16{}}
	c.ByVantage = map[string]uint64{}
	for _, v := range p.Places {
		c.seen[v] = make([]uint64, (p.Targets+63)/64)
		c.ByVantage[v] = 0
		if len(p.Places) > 1 {
			c.pmtu[v] = make([]uint16, p.Targets)
		}
	}
	c.Expected = p.Targets * uint64(len(p.Places))
	return c, nil
}

// Restore takes note of a record that was written before.
func (c *Collector) Restore(r *results.Record) error {
	place := r.Vantage.Name
	if c.plan.Places[0] == Anywhere {
		place = Anywhere
	}
	fresh, err := c.note(place, r)
	if err == nil && !fresh {
		err = fmt.Errorf("%s from %s is there twice", r.Target, place)
	}
	return err
}

// note says whether a record is the first of its target and vantage.
func (c *Collector) note(place string, r *results.Record) (bool, error) {
	seen := c.seen[place]
	a, err := netip.ParseAddr(r.Target)
	if err != nil {
		return false, err
	}
	i, ok := c.set.Index(a)
	if seen == nil || !ok || r.Run != c.plan.ID || !r.Final() || c.plan.Places[0] != Anywhere && r.Vantage.Name != place {
		return false, fmt.Errorf("fleet: %s from %s isn't a final record of survey %s", r.Target, place, c.plan.ID)
	}
	if seen[i/64]>>(i%64)&1 != 0 {
		return false, nil
	}
	seen[i/64] |= 1 << (i % 64)
	c.Records++
	c.ByVantage[place]++
	if r.PMTU != nil {
		c.Measured++
		c.compare(place, i, uint16(min(*r.PMTU, 65535)))
	}
	if r.Verdict == results.NoVerdict {
		c.Unfinished++
	}
	return true, nil
}

// compare counts targets that look different from different vantages.
func (c *Collector) compare(place string, i uint64, pmtu uint16) {
	if c.pmtu[place] == nil {
		return
	}
	others, differ := 0, false
	before := uint16(0) // of the others
	for _, v := range c.plan.Places {
		if p := c.pmtu[v][i]; p != 0 {
			others++
			differ = differ || before != 0 && before != p
			before = p
		}
	}
	c.pmtu[place][i] = pmtu
	switch {
	case others == 0, differ: // not comparable yet; counted already
	case before != pmtu:
		c.Differ++
		if others > 1 {
			c.Same--
		}
	case others == 1:
		c.Same++
	}
}

// Complete says that every record is there.
func (c *Collector) Complete() bool { return c.Records == c.Expected }

// Run writes records until all are there, or the survey was cancelled and
// nothing more comes. It returns ctx's error if that is earlier. What goes wrong
// with the Backend is told, and tried again; what goes wrong with the Output is
// returned.
func (c *Collector) Run(ctx context.Context) error {
	const pause = 500 * time.Millisecond
	for {
		err := c.round(ctx)
		if c.Observe != nil {
			c.Observe(c.Totals)
		}
		var fatal *outputError
		switch {
		case errors.As(err, &fatal):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errCancelled):
			return nil
		case err != nil:
			c.log("%v", err)
			sleep(ctx, pause)
		case c.Complete():
			if err = c.end(ctx); err == nil {
				return nil
			}
			c.log("%v", err)
			sleep(ctx, pause)
		}
	}
}

func (c *Collector) log(format string, args ...any) {
	if c.Log != nil {
		c.Log(format, args...)
	}
}

type outputError struct{ err error }

func (e *outputError) Error() string { return "results: " + e.err.Error() }
func (e *outputError) Unwrap() error { return e.err }

// round takes what has come.
func (c *Collector) round(ctx context.Context) error {
	const most = 64 // blocks that are written before one Sync
	got, err := c.backend.Receive(ctx, c.plan.ID, most, time.Second)
	if err != nil {
		return err
	}
	for _, d := range got {
		if err := c.write(d.Block); err != nil {
			return err
		}
	}
	if len(got) == 0 {
		return c.quiet(ctx)
	}
	c.idle = 0
	if err := c.out.Sync(); err != nil {
		return &outputError{err}
	}
	for _, d := range got {
		if err := d.Ack(ctx); err != nil {
			return err // it comes again, and is dropped
		}
	}
	return c.tell(ctx)
}

func (c *Collector) write(packed []byte) error {
	b, err := DecodeBlock(packed)
	if err == nil && b.Survey != c.plan.ID {
		err = fmt.Errorf("fleet: block of survey %q", b.Survey)
	}
	if err != nil {
		c.Rejected++
		c.log("%v", err)
		return nil
	}
	var lines bytes.Buffer
	w := results.NewWriter(&lines)
	for _, r := range b.Records {
		fresh, err := c.note(b.Vantage, r)
		switch {
		case err != nil:
			c.Rejected++
			c.log("%v", err)
		case !fresh:
			c.Duplicates++
		default:
			if err := w.Write(r); err != nil {
				return &outputError{err}
			}
		}
	}
	if _, err := c.out.Write(lines.Bytes()); err != nil {
		return &outputError{err}
	}
	return nil
}

// quiet is called when nothing has come for a second.
func (c *Collector) quiet(ctx context.Context) error {
	if c.Complete() {
		return nil
	}
	st, err := ReadState(ctx, c.backend, c.plan.ID)
	if err != nil {
		return err
	}
	busy := st.Enqueued < c.plan.Shards()
	for _, v := range c.plan.Places {
		d, err := c.backend.Depth(ctx, c.plan.ID, v)
		if err != nil {
			return err
		}
		busy = busy || d.Leased > 0 || d.Waiting > 0 && st.Phase == Running
	}
	pending, err := c.backend.Pending(ctx, c.plan.ID)
	if err != nil {
		return err
	}
	if busy || pending > 0 {
		c.idle = 0
		return c.tell(ctx)
	}
	c.idle++
	const patience = 3 // rounds
	if c.idle < patience {
		return nil
	}
	c.idle = 0
	if st.Phase == Cancelled {
		return errors.Join(errCancelled, c.tell(ctx))
	}
	return c.repair(ctx)
}

// repair enqueues the shards again whose records are missing though nobody is
// at work any more.
func (c *Collector) repair(ctx context.Context) error {
	order := survey.NewOrder(c.plan.Targets, c.plan.Seed)
	for _, v := range c.plan.Places {
		for n := range c.plan.Shards() {
			s := c.plan.At(n, v)
			cur := newCursor(s)
			for k := range s.Count {
				if i := order.At(s.Start + k); c.seen[v][i/64]>>(i%64)&1 != 0 {
					cur.finish(k)
				}
			}
			if cur.count() == s.Count {
				continue
			}
			if err := c.reopen(ctx, s, cur); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Collector) reopen(ctx context.Context, s Shard, cur *Cursor) error {
	v, err := c.backend.Get(ctx, s.key())
	if err == nil {
		old, err := decodeCursor(v.Data, s)
		if err != nil {
			return err
		}
		cur.Epoch = old.Epoch + 1
	} else if !errors.Is(err, ErrNotFound) {
		return err
	}
	cur.Worker = "collector"
	if _, err := c.backend.Put(ctx, s.key(), cur.encode(), v.Revision); err != nil {
		return err
	}
	c.Repaired++
	c.log("shard %d for %s: %d of %d records are missing; enqueued again", s.Number, s.Vantage, s.Count-cur.count(), s.Count)
	return c.backend.Enqueue(ctx, s)
}

// tell makes the totals known to others.
func (c *Collector) tell(ctx context.Context) error {
	b, err := json.Marshal(c.Totals)
	if err != nil {
		return err
	}
	return c.backend.Set(ctx, "sink."+c.plan.ID, b)
}

// end closes a survey of which everything is there.
func (c *Collector) end(ctx context.Context) error {
	if err := c.tell(ctx); err != nil {
		return err
	}
	if err := SetPhase(ctx, c.backend, c.plan.ID, Done); err != nil {
		return err
	}
	return c.backend.Close(ctx, c.plan.ID)
}

// Places returns the plan's vantages, sorted.
func (t Totals) Places() []string {
	var out []string
	for v := range t.ByVantage {
		out = append(out, v)
	}
	slices.Sort(out)
	return out
}

// SetOutput says where records go, before Run.
func (c *Collector) SetOutput(out Output) { c.out = out }
