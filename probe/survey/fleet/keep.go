package fleet

import (
	"context"
	"errors"
	"time"
)

// contact is how long a worker may hear nothing of a lease before it takes it for
// lost: earlier than anybody else does.
func contact(lease time.Duration) time.Duration { return lease * 3 / 4 }

// keep holds the lease, the cursor and the share of the rates, until ctx ends.
// It calls end when the shard has to be left: nothing is sent any more when
// others may think that it is theirs. good is when it was this worker's.
func (j *job) keep(ctx context.Context, good time.Time, end func(error)) {
	lease := j.plan.leaseTime()
	for tick := time.NewTicker(lease / 5); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case <-tick.C:
		}
		at := time.Now()
		round, cancel := context.WithDeadline(ctx, good.Add(contact(lease)))
		err := j.hold(round)
		cancel()
		switch {
		case ctx.Err() != nil:
		case err == nil:
			good = at
			j.tenure.renew(at.Add(contact(lease)))
		case errors.Is(err, errLost), errors.Is(err, errCancelled):
			j.tenure.end()
			end(err)
		case time.Since(good) >= contact(lease):
			j.Log("no contact for %v: %v", time.Since(good).Round(time.Millisecond), err)
			j.tenure.end()
			end(errLost)
		}
	}
}

// hold does everything that has to be done now and then.
func (j *job) hold(ctx context.Context) error {
	if err := j.lease.Extend(ctx); err != nil {
		return err
	}
	j.out.sealOld(j.plan.leaseTime())
	if err := j.save(ctx); err != nil {
		return err
	}
	j.mu.Lock()
	granted := j.granted
	j.mu.Unlock()
	if granted {
		var still bool
		err := changeLedger(ctx, j.Backend, j.plan.ID, func(l *Ledger) bool {
			now := j.now()
			still = l.Renew(now, now.Add(j.plan.leaseTime()), j.ID)
			return still
		})
		if err != nil {
			return err
		}
		if !still {
			return errLost
		}
	}
	st, err := ReadState(ctx, j.Backend, j.plan.ID)
	if err != nil {
		return err
	}
	if st.Phase == Cancelled {
		return errCancelled
	}
	return j.beat(ctx)
}
