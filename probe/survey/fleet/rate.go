package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Ledger says who may send how much: shares of all the rates of a survey. The
// shares of those that haven't expired never make more than 1. Times are the
// Store's.
type Ledger struct {
	Grants []Grant `json:"grants"`
}

// Grant is the share of one worker until a time.
type Grant struct {
	Worker string    `json:"worker"`
	Share  float64   `json:"share"`
	Until  time.Time `json:"until"`
}

// Take gives a worker a new share, at most that of one of parts equal workers,
// instead of the one it had. False: there isn't half of that left; nothing
// changes.
func (l *Ledger) Take(now, until time.Time, worker string, parts int) (share float64, ok bool) {
	l.expire(now)
	free := 1.0
	for _, g := range l.Grants {
		if g.Worker != worker {
			free -= g.Share
		}
	}
	fair := 1 / float64(max(parts, 1))
	share = min(fair, free)
	if share < fair/2 {
		return 0, false
	}
	l.Drop(worker)
	l.Grants = append(l.Grants, Grant{worker, share, until})
	return share, true
}

// Renew lengthens a share. False: it has expired, and may be another's.
func (l *Ledger) Renew(now, until time.Time, worker string) bool {
	l.expire(now)
	for i := range l.Grants {
		if l.Grants[i].Worker == worker {
			l.Grants[i].Until = until
			return true
		}
	}
	return false
}

// Drop takes a worker's share away.
func (l *Ledger) Drop(worker string) {
	l.Grants = slices.DeleteFunc(l.Grants, func(g Grant) bool { return g.Worker == worker })
}

func (l *Ledger) expire(now time.Time) {
	l.Grants = slices.DeleteFunc(l.Grants, func(g Grant) bool { return !now.Before(g.Until) })
}

// mostGrants bounds a Ledger.
const mostGrants = 10_000

// decodeLedger reads a Ledger whose shares make no more than the whole, each of
// another worker.
func decodeLedger(b []byte) (Ledger, error) {
	var l Ledger
	if err := json.Unmarshal(b, &l); err != nil {
		return Ledger{}, err
	}
	if len(l.Grants) > mostGrants {
		return Ledger{}, &PlanError{"grants", len(l.Grants), fmt.Sprintf("at most %d", mostGrants)}
	}
	const whole = 1 + 1e-9 // rounding
	sum, seen := 0.0, make(map[string]bool, len(l.Grants))
	for _, g := range l.Grants {
		if err := CheckName("worker", g.Worker); err != nil {
			return Ledger{}, err
		}
		if seen[g.Worker] {
			return Ledger{}, &PlanError{"grants", "twice to " + g.Worker, "at most one for each worker"}
		}
		seen[g.Worker] = true
		if sum += g.Share; !(g.Share > 0) || sum > whole {
			return Ledger{}, &PlanError{"share", g.Share, "more than 0, and at most 1 together with the others"}
		}
	}
	return l, nil
}

// changeLedger applies a change to a survey's ledger, again if somebody else was
// faster. change returns false to leave it as it is.
func changeLedger(ctx context.Context, s Store, survey string, change func(*Ledger) bool) error {
	key := "rate." + survey
	for {
		var l Ledger
		v, err := s.Get(ctx, key)
		switch {
		case errors.Is(err, ErrNotFound):
		case err != nil:
			return err
		default:
			if l, err = decodeLedger(v.Data); err != nil {
				return fmt.Errorf("fleet: %s: %w", key, err)
			}
		}
		if !change(&l) {
			return nil
		}
		b, err := json.Marshal(l)
		if err != nil {
			return err
		}
		if _, err = s.Put(ctx, key, b, v.Revision); !errors.Is(err, ErrConflict) {
			return err
		}
	}
}
