package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Status is how far a survey is, as anybody can see it.
type Status struct {
	Survey  string           `json:"survey"`
	Plan    string           `json:"plan_sha256"`
	State   State            `json:"progress"`
	Targets uint64           `json:"targets"`
	Shards  uint64           `json:"shards"` // of each vantage
	Queues  map[string]Depth `json:"queues"`
	Blocks  uint64           `json:"blocks_waiting"`
	Results *Totals          `json:"results,omitempty"` // nil: no Collector has told
	Grants  []Grant          `json:"grants"`            // those that were expired are still there until the next change
}

// ReadStatus returns how far a survey is.
func ReadStatus(ctx context.Context, b Backend, survey string) (*Status, error) {
	p, err := ReadPlan(ctx, b, survey)
	if err != nil {
		return nil, err
	}
	s := &Status{Survey: survey, Plan: p.Hash(), Targets: p.Targets, Shards: p.Shards(), Queues: map[string]Depth{}}
	if s.State, err = ReadState(ctx, b, survey); err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	var l Ledger
	for key, to := range map[string]func([]byte) error{
		"sink." + survey: func(b []byte) error { return json.Unmarshal(b, &s.Results) },
		"rate." + survey: func(b []byte) (err error) { l, err = decodeLedger(b); return err },
	} {
		v, err := b.Get(ctx, key)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err == nil {
			err = to(v.Data)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	s.Grants = l.Grants
	if s.State.Phase == Done {
		return s, nil // its queues are gone
	}
	for _, v := range p.Places {
		if s.Queues[v], err = b.Depth(ctx, survey, v); err != nil {
			return nil, err
		}
	}
	s.Blocks, err = b.Pending(ctx, survey)
	return s, err
}
