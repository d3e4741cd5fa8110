package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"pathmtu/probe/survey"
	"pathmtu/results"
)

var (
	errLost      = errors.New("the lease is lost: another worker will measure the shard")
	errCancelled = errors.New("the survey was cancelled")
)

// job is a shard that is being measured.
type job struct {
	*worker
	plan  *Plan
	lease Lease
	shard Shard
	where map[netip.Addr]uint64 // position in the shard

	epoch  uint32
	tenure tenure

	mu       sync.Mutex // never held while waiting for the Backend
	cursor   *Cursor
	revision uint64
	granted  bool

	out *publisher
}

// shard measures a leased shard. asked is when the lease was asked for: it began no
// earlier.
func (w *worker) shard(ctx context.Context, p *Plan, lease Lease, asked time.Time) error {
	j := &job{worker: w, plan: p, lease: lease, shard: lease.Shard()}
	j.tenure.renew(asked.Add(contact(p.leaseTime())))
	if err := p.check(j.shard); err != nil {
		return errors.Join(err, lease.Release(ctx, time.Minute))
	}
	if err := w.load(ctx, p); err != nil {
		return errors.Join(err, lease.Release(ctx, 10*time.Second))
	}
	if !j.tenure.holds(time.Now()) { // a long list; or this process didn't run meanwhile
		return errLost
	}
	mine, err := j.take(ctx)
	if err != nil || !mine {
		return err
	}
	n := j.shard.Number
	w.tell(func(i *WorkerInfo) { i.Survey, i.Shard = p.ID, &n })
	defer w.tell(func(i *WorkerInfo) { i.Survey, i.Shard, i.Share = "", nil, 0 })
	return j.run(ctx, asked)
}

// take makes the shard's cursor this worker's. False: the shard is done.
func (j *job) take(ctx context.Context) (bool, error) {
	v, err := j.Backend.Get(ctx, j.shard.key())
	switch {
	case errors.Is(err, ErrNotFound):
		j.cursor = newCursor(j.shard)
	case err != nil:
		return false, err
	default:
		if j.cursor, err = decodeCursor(v.Data, j.shard); err != nil {
			return false, err
		}
	}
	if j.cursor.Done {
		return false, j.lease.Done(ctx)
	}
	j.cursor.Epoch++
	j.cursor.Worker, j.epoch = j.ID, j.cursor.Epoch
	j.revision, err = j.Backend.Put(ctx, j.shard.key(), j.cursor.encode(), v.Revision)
	if errors.Is(err, ErrConflict) {
		return false, errLost
	}
	return err == nil, err
}

// run measures, while keep holds what is held.
func (j *job) run(ctx context.Context, asked time.Time) error {
	measuring, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	// What was measured is published also when it's time to end, but not when the
	// shard is another's.
	publishing, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	const grace = 5 * time.Second // to publish what is left, after a signal
	defer context.AfterFunc(ctx, func() { time.AfterFunc(grace, giveUp) })()
	j.out = newPublisher(j, publishing)
	keeping, enough := context.WithCancel(publishing)
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		j.keep(keeping, asked, func(cause error) {
			stop(cause)
			if errors.Is(cause, errLost) {
				giveUp()
			}
		})
	}()
	err := j.measure(measuring)
	if cause := context.Cause(measuring); cause != nil {
		err = cause
	}
	j.out.seal()
	j.out.wait()
	enough()
	<-kept
	if publishing.Err() != nil { // lost, or too slow to end
		return err
	}
	if n := j.cursor.count(); err == nil && n < j.shard.Count {
		err = fmt.Errorf("%d of %d targets have no record", j.shard.Count-n, j.shard.Count)
	}
	return errors.Join(err, j.finish(publishing, err))
}

// measure gets a share of the rates, and measures what isn't finished.
func (j *job) measure(ctx context.Context) error {
	list, err := targets(j.set, j.shard, j.cursor)
	if err != nil {
		return err
	}
	j.where = make(map[netip.Addr]uint64, j.shard.Count)
	order := survey.NewOrder(j.set.Len(), j.shard.Seed)
	for i := range j.shard.Count {
		j.where[j.set.At(order.At(j.shard.Start+i))] = i
	}
	if list.Len() == 0 {
		return nil
	}
	share, err := j.grant(ctx)
	if err != nil {
		return err
	}
	cfg, err := j.plan.config(share)
	if err != nil {
		return err
	}
	cfg.Total.Packets = least(cfg.Total.Packets, j.Most.Packets)
	cfg.Total.Bits = least(cfg.Total.Bits, j.Most.Bits)
	cfg.Origins = j.as
	cfg.Seed += j.shard.Number
	return j.Measurer.Measure(ctx, Task{Config: cfg, Targets: list, Lab: j.plan.Lab, Permit: j.tenure.holds}, j.record)
}

// least is the smaller of two bounds, of which 0 is none.
func least(a, b float64) float64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// record takes a result.
func (j *job) record(r *results.Record) error {
	if !r.Final() {
		return nil
	}
	a, err := netip.ParseAddr(r.Target)
	if err != nil {
		return err
	}
	at, ok := j.where[a]
	if !ok {
		return fmt.Errorf("fleet: BUG: %v isn't in shard %d", a, j.shard.Number)
	}
	r.Tool, r.Run, r.Vantage.Name = j.Tool, j.plan.ID, j.Vantage
	j.out.add(r, at)
	return nil
}

// grant waits for a share of the rates.
func (j *job) grant(ctx context.Context) (float64, error) {
	lease := j.plan.leaseTime()
	for told := false; ; told = true {
		all, err := Workers(ctx, j.Backend)
		if err != nil {
			return 0, err
		}
		live := 0
		for _, i := range all {
			if j.plan.Places[0] == Anywhere || slices.Contains(j.plan.Places, i.Vantage) {
				live++
			}
		}
		var share float64
		var ok bool
		err = changeLedger(ctx, j.Backend, j.plan.ID, func(l *Ledger) bool {
			now := j.now()
			share, ok = l.Take(now, now.Add(lease), j.ID, max(live, j.plan.Workers))
			return ok
		})
		if err != nil {
			return 0, err
		}
		if ok {
			j.mu.Lock()
			j.granted = true
			j.mu.Unlock()
			j.tell(func(i *WorkerInfo) { i.Share = share })
			return share, nil
		}
		if !told {
			j.Log("survey %s: waiting for a share of the rates", j.plan.ID)
		}
		sleep(ctx, min(lease/4, time.Second))
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
	}
}

// finish gives back what is held, after a failure or none.
func (j *job) finish(ctx context.Context, failure error) error {
	j.cursor.Done = failure == nil
	err := j.save(ctx)
	if j.granted {
		err = errors.Join(err, changeLedger(ctx, j.Backend, j.plan.ID, func(l *Ledger) bool {
			l.Drop(j.ID)
			return true
		}))
	}
	switch {
	case err != nil:
		return err // the lease ends by itself
	case failure == nil, errors.Is(failure, errCancelled):
		return j.lease.Done(ctx)
	case errors.Is(failure, context.Canceled): // this worker ends
		return j.lease.Release(ctx, 0)
	}
	return j.lease.Release(ctx, 5*time.Second)
}

// save writes the cursor. It returns errLost if the cursor is another's.
func (j *job) save(ctx context.Context) error {
	j.mu.Lock()
	text := j.cursor.encode()
	j.mu.Unlock()
	for {
		revision, err := j.Backend.Put(ctx, j.shard.key(), text, j.revision)
		if !errors.Is(err, ErrConflict) {
			if err == nil {
				j.revision = revision
			}
			return err
		}
		// Perhaps it was this worker's own change, whose confirmation got lost.
		v, err := j.Backend.Get(ctx, j.shard.key())
		if err != nil {
			return err
		}
		c, err := decodeCursor(v.Data, j.shard)
		if err != nil {
			return err
		}
		if c.Epoch != j.epoch || c.Worker != j.ID {
			return errLost
		}
		j.revision = v.Revision
	}
}
