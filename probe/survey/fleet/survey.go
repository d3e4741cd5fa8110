package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Phase says where a survey is.
type Phase string

// Phases.
const (
	Running   Phase = "running"
	Cancelled Phase = "cancelled"
	Done      Phase = "done" // every record is with the Collector
)

// State is how far a survey is.
type State struct {
	Phase    Phase  `json:"state"`
	Enqueued uint64 `json:"enqueued"` // shards of each vantage
}

// ErrOtherPlan says that a survey of that name has another plan.
var ErrOtherPlan = errors.New("fleet: there is a survey of that name with another plan")

// Submit makes a survey known and enqueues its shards; blobs are what the plan
// names. A plan that was submitted before, perhaps in part, is gone on with.
func Submit(ctx context.Context, b Backend, p *Plan, blobs [][]byte) (State, error) {
	if err := p.Validate(); err != nil {
		return State{}, err
	}
	for _, blob := range blobs {
		if err := b.PutBlob(ctx, BlobName(blob), blob); err != nil {
			return State{}, err
		}
	}
	text, err := json.Marshal(p)
	if err != nil {
		return State{}, err
	}
	if _, err := b.Put(ctx, "plan."+p.ID, text, 0); errors.Is(err, ErrConflict) {
		old, err := ReadPlan(ctx, b, p.ID)
		if err != nil {
			return State{}, err
		}
		if old.Hash() != p.Hash() {
			return State{}, fmt.Errorf("%w: %s", ErrOtherPlan, p.ID)
		}
	} else if err != nil {
		return State{}, err
	}
	for _, v := range p.Places {
		if err := b.Open(ctx, p.ID, v, p.leaseTime()); err != nil {
			return State{}, err
		}
	}
	return enqueue(ctx, b, p)
}

func enqueue(ctx context.Context, b Backend, p *Plan) (State, error) {
	st, revision, err := readState(ctx, b, p.ID)
	if errors.Is(err, ErrNotFound) {
		st, err = State{Phase: Running}, nil
	}
	const stride = 100 // shards between two notes of how far it is
	for err == nil && st.Phase == Running && st.Enqueued < p.Shards() {
		end := min(st.Enqueued+stride, p.Shards())
		for n := st.Enqueued; n < end; n++ {
			for _, v := range p.Places {
				if err := b.Enqueue(ctx, p.At(n, v)); err != nil {
					return st, err
				}
			}
		}
		st.Enqueued = end
		revision, err = putState(ctx, b, p.ID, st, revision)
	}
	return st, err
}

// ReadPlan returns the plan of a survey.
func ReadPlan(ctx context.Context, s Store, survey string) (*Plan, error) {
	if err := CheckName("survey", survey); err != nil {
		return nil, err
	}
	v, err := s.Get(ctx, "plan."+survey)
	if err != nil {
		return nil, fmt.Errorf("survey %s: %w", survey, err)
	}
	return DecodePlan(v.Data)
}

// Surveys returns the names of all surveys.
func Surveys(ctx context.Context, s Store) ([]string, error) {
	keys, err := s.Keys(ctx, "plan.")
	for i := range keys {
		keys[i] = strings.TrimPrefix(keys[i], "plan.")
	}
	return keys, err
}

// ReadState returns how far a survey is.
func ReadState(ctx context.Context, s Store, survey string) (State, error) {
	st, _, err := readState(ctx, s, survey)
	return st, err
}

func readState(ctx context.Context, s Store, survey string) (st State, revision uint64, err error) {
	v, err := s.Get(ctx, "state."+survey)
	if err != nil {
		return st, 0, err
	}
	st, err = decodeState(v.Data)
	if err != nil {
		return st, 0, fmt.Errorf("fleet: state of %s: %w", survey, err)
	}
	return st, v.Revision, nil
}

// decodeState reads how far a survey is.
func decodeState(b []byte) (st State, err error) {
	if err = json.Unmarshal(b, &st); err != nil {
		return State{}, err
	}
	switch st.Phase {
	case Running, Cancelled, Done:
		return st, nil
	}
	return State{}, &PlanError{"state", strconv.Quote(string(st.Phase)), "running, cancelled or done"}
}

func putState(ctx context.Context, s Store, survey string, st State, revision uint64) (uint64, error) {
	b, err := json.Marshal(st)
	if err != nil {
		return 0, err
	}
	return s.Put(ctx, "state."+survey, b, revision)
}

// SetPhase ends a survey. It does nothing if the survey has ended otherwise.
func SetPhase(ctx context.Context, b Backend, survey string, phase Phase) error {
	for {
		st, revision, err := readState(ctx, b, survey)
		if err != nil {
			return err
		}
		if st.Phase != Running {
			return nil
		}
		st.Phase = phase
		if _, err := putState(ctx, b, survey, st, revision); !errors.Is(err, ErrConflict) {
			return err
		}
	}
}

// Cancel ends a survey: what is leased stops at the next sign of life, what was
// measured is kept.
func Cancel(ctx context.Context, b Backend, survey string) error {
	if err := SetPhase(ctx, b, survey, Cancelled); err != nil {
		return fmt.Errorf("cancel %s: %w", survey, err)
	}
	return b.Purge(ctx, survey)
}
