package fleet

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/results"
)

func TestTenure(t *testing.T) {
	at := time.Unix(1e9, 0)
	var n tenure
	assert.False(t, n.holds(at), "nobody said so")
	n.renew(at.Add(45 * time.Second))
	assert.True(t, n.holds(at))
	assert.True(t, n.holds(at.Add(45*time.Second-1)))
	assert.False(t, n.holds(at.Add(45*time.Second)))
	assert.False(t, n.holds(at.Add(time.Hour)), "stopped and continued")
	n.renew(at.Add(time.Hour))
	assert.True(t, n.holds(at.Add(46*time.Second)))
	n.end()
	assert.False(t, n.holds(at))

	now := time.Now() // with a monotonic reading, which Add moves too
	n.renew(now.Add(45 * time.Second))
	assert.True(t, n.holds(now.Add(44*time.Second)))
	assert.True(t, n.holds(now.Add(44*time.Second).Round(0)))
	assert.False(t, n.holds(now.Add(46*time.Second).Round(0)), "the wall clock alone")
}

// unreachable is a Backend whose leases can't be extended, once it is cut off.
type unreachable struct {
	Backend
	cut atomic.Bool
}

func (u *unreachable) Lease(ctx context.Context, survey, vantage string, wait time.Duration) (Lease, error) {
	l, err := u.Backend.Lease(ctx, survey, vantage, wait)
	if l == nil {
		return nil, err
	}
	return &unreachableLease{l, u}, err
}

type unreachableLease struct {
	Lease
	u *unreachable
}

func (l *unreachableLease) Extend(ctx context.Context) error {
	if l.u.cut.Load() {
		return errors.New("no route")
	}
	return l.Lease.Extend(ctx)
}

// sender sends a packet every 10 ms, as long as it may.
type sender struct {
	began time.Time    // of the test
	last  atomic.Int64 // when it sent, since then
}

func (s *sender) Measure(ctx context.Context, t Task, _ func(*results.Record) error) error {
	for ctx.Err() == nil {
		if now := time.Now(); t.Permit(now) {
			s.last.Store(int64(now.Sub(s.began)))
		}
		sleep(ctx, 10*time.Millisecond)
	}
	return ctx.Err()
}

// A lease that is extended allows sending on and on; one that isn't, for three
// quarters of its time at most.
func TestPermitEndsBeforeTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &unreachable{Backend: NewMemory()}
		set := sampleSet(t, "10.0.0.0/24")
		list, err := EncodeList(set)
		require.NoError(t, err)
		p := samplePlan()
		p.List, p.Targets, p.Shard, p.Places, p.Lab = BlobName(list), set.Len(), set.Len(), []string{"v"}, true
		_, err = Submit(t.Context(), b, p, [][]byte{list})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		s := &sender{began: time.Now()}
		done := make(chan error)
		go func() { done <- Work(ctx, WorkerConfig{Backend: b, Measurer: s, ID: "w", Vantage: "v", Lab: true}) }()
		sleep(ctx, 10*time.Minute)
		last := time.Duration(s.last.Load())
		assert.Greater(t, last, 10*time.Minute-time.Second)
		b.cut.Store(true)
		sleep(ctx, 46*time.Second) // nobody else has the shard yet
		after := time.Duration(s.last.Load()) - last
		assert.Greater(t, after, contact(time.Minute)-time.Minute/5-time.Second)
		assert.LessOrEqual(t, after, contact(time.Minute))
		stop()
		require.NoError(t, <-done)
	})
}
