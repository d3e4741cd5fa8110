package fleet_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/probe/survey"
	"pathmtu/probe/survey/fleet"
	"pathmtu/probe/survey/fleet/natsfleet"
	"pathmtu/results"
)

// backends runs a test against the fake and against NATS.
func backends(t *testing.T, f func(*testing.T, fleet.Backend)) {
	t.Run("memory", func(t *testing.T) { f(t, fleet.NewMemory()) })
	t.Run("nats", func(t *testing.T) {
		s, err := natsfleet.StartServer(natsfleet.ServerConfig{Store: t.TempDir()})
		require.NoError(t, err)
		t.Cleanup(s.Shutdown)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		b, err := s.Connect(ctx, natsfleet.Config{Name: "test"})
		require.NoError(t, err)
		t.Cleanup(b.Disconnect)
		f(t, b)
	})
}

// makePlan returns a plan to measure n addresses.
func makePlan(t testing.TB, n int, places ...string) (*fleet.Plan, *survey.Set, []byte) {
	var l survey.List
	for i := range n {
		require.NoError(t, l.Add(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}).String()))
	}
	set, _, err := survey.Selection{Lab: true}.Select(&l)
	require.NoError(t, err)
	list, err := fleet.EncodeList(set)
	require.NoError(t, err)
	return &fleet.Plan{
		ID: "test", Seed: 7, List: fleet.BlobName(list), Targets: set.Len(), Shard: 100, Places: places,
		Lease: fleet.Duration(fleet.LeastLease), Workers: 1, Lab: true, Methods: []string{"icmp"},
	}, set, list
}

// fake measures without packets: the PMTU follows from address and vantage.
type fake struct {
	mtu   func(netip.Addr) int
	pause time.Duration
	calls *atomic.Int64
	// fail may end a measurement early.
	fail func(done int) error
}

func (f fake) Measure(ctx context.Context, task fleet.Task, each func(*results.Record) error) error {
	if f.calls != nil {
		f.calls.Add(1)
	}
	set, _, err := survey.Selection{Lab: task.Lab}.Select(task.Targets)
	if err != nil {
		return err
	}
	for i := range set.Len() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if f.fail != nil {
			if err := f.fail(int(i)); err != nil {
				return err
			}
		}
		mtu := f.mtu(set.At(i))
		if err := each(record(set.At(i), mtu)); err != nil {
			return err
		}
		if f.pause > 0 {
			time.Sleep(f.pause)
		}
	}
	return nil
}

func record(a netip.Addr, mtu int) *results.Record {
	return &results.Record{
		Schema: results.Schema, Target: a.String(), Address: a.String(), Family: 4, Time: time.Now().UTC(), PMTU: &mtu, Verdict: results.OK,
		Confidence: 0.9, Direction: results.RoundTrip,
		Methods: []results.Method{{Method: "icmp", Flow: "x > " + a.String(), PMTU: &mtu, Verdict: results.OK, Direction: results.RoundTrip, ProbesSent: 2, BytesSent: 1600}},
	}
}

// lines is an Output in memory that also counts what is in it.
type lines struct {
	bytes.Buffer
	syncs int
}

func (l *lines) Sync() error { l.syncs++; return nil }

// unique requires that each target is there once for each place, and returns
// the PMTUs.
func unique(t testing.TB, text []byte, n int, places ...string) map[string]map[string]int {
	out := map[string]map[string]int{}
	all := 0
	r := results.NewReader(bytes.NewReader(text))
	for {
		rec, err := r.Read()
		if err != nil {
			require.ErrorContains(t, err, "EOF")
			break
		}
		if out[rec.Target] == nil {
			out[rec.Target] = map[string]int{}
		}
		require.NotContains(t, out[rec.Target], rec.Vantage.Name, "%s twice", rec.Target)
		mtu := 0
		if rec.PMTU != nil {
			mtu = *rec.PMTU
		}
		out[rec.Target][rec.Vantage.Name] = mtu
		all++
	}
	require.Len(t, out, n)
	require.Equal(t, n*len(places), all)
	for target, got := range out {
		for _, p := range places {
			require.Contains(t, got, p, target)
		}
	}
	return out
}

// A survey from two vantages: every record once, differences counted, worker and
// clock in each line.
func TestEndToEnd(t *testing.T) {
	backends(t, func(t *testing.T, b fleet.Backend) {
		const n = 1000
		p, set, list := makePlan(t, n, "a", "b")
		_, err := fleet.Submit(t.Context(), b, p, [][]byte{list})
		require.NoError(t, err)
		st, err := fleet.Submit(t.Context(), b, p, [][]byte{list})
		require.NoError(t, err, "again")
		require.EqualValues(t, 10, st.Enqueued)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		defer wg.Wait()
		defer stop()
		for _, v := range []string{"a", "b"} {
			wg.Go(func() {
				assert.NoError(t, fleet.Work(ctx, fleet.WorkerConfig{
					Backend: b, ID: "worker-" + v, Vantage: v, Host: "h", PID: 1, Tool: "test", Lab: true, Log: t.Logf,
					Measurer: fake{mtu: func(a netip.Addr) int {
						if v == "b" && a.As4()[2]%4 == 0 {
							return 1280
						}
						return 1400 + int(a.As4()[2])
					}},
				}))
			})
		}
		var out lines
		c, err := fleet.NewCollector(b, p, set, &out)
		require.NoError(t, err)
		c.Log = t.Logf
		collecting, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, c.Run(collecting))
		got := unique(t, out.Bytes(), n, "a", "b")
		differ := 0
		for _, m := range got {
			if m["a"] != m["b"] {
				differ++
			}
		}
		assert.EqualValues(t, differ, c.Differ)
		assert.EqualValues(t, n-differ, c.Same)
		assert.Positive(t, differ)
		assert.Zero(t, c.Rejected)
		assert.Positive(t, out.syncs)
		assert.Contains(t, out.String(), `"worker":{"id":"worker-a","host":"h","pid":1,"epoch":1,"clock_offset_us":`)
		s, err := fleet.ReadStatus(t.Context(), b, "test")
		require.NoError(t, err)
		assert.Equal(t, fleet.Done, s.State.Phase)
		assert.EqualValues(t, 2*n, s.Results.Records)
	})
}

// Workers end without a word at random moments, again and again: nothing is lost
// and nothing doubled.
func TestWorkersVanish(t *testing.T) {
	backends(t, func(t *testing.T, b fleet.Backend) {
		const n = 600
		p, set, list := makePlan(t, n, fleet.Anywhere)
		_, err := fleet.Submit(t.Context(), b, p, [][]byte{list})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		defer wg.Wait()
		defer stop()
		random := rand.New(rand.NewPCG(1, 2))
		for i := range 3 {
			// A worker that vanishes: all of its requests fail from some moment on.
			dead := &mortal{Backend: b}
			dead.left.Store(int64(4 + random.IntN(4))) // while it has a shard
			wg.Go(func() {
				_ = fleet.Work(ctx, fleet.WorkerConfig{
					Backend: dead, ID: fmt.Sprint("mortal-", i), Vantage: fmt.Sprint("v", i), Lab: true, Block: 20, Tool: "test",
					Measurer: fake{mtu: func(netip.Addr) int { return 1400 }, pause: 2 * time.Millisecond},
				})
			})
		}
		wg.Go(func() {
			_ = fleet.Work(ctx, fleet.WorkerConfig{
				Backend: b, ID: "survivor", Vantage: "w", Lab: true, Block: 20, Tool: "test", Log: t.Logf,
				Measurer: fake{mtu: func(netip.Addr) int { return 1400 }, pause: time.Millisecond},
			})
		})
		var out lines
		c, err := fleet.NewCollector(b, p, set, &out)
		require.NoError(t, err)
		collecting, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, c.Run(collecting))
		seen := map[string]bool{}
		r := results.NewReader(&out)
		for {
			rec, err := r.Read()
			if err != nil {
				break
			}
			require.False(t, seen[rec.Target], rec.Target)
			seen[rec.Target] = true
		}
		require.Len(t, seen, n)
		t.Logf("%+v", c.Totals)
	})
}

// mortal fails for ever after some requests.
type mortal struct {
	fleet.Backend
	left atomic.Int64
}

var errDead = errors.New("dead")

func (m *mortal) alive() error {
	if m.left.Add(-1) < 0 {
		return errDead
	}
	return nil
}

func (m *mortal) Publish(ctx context.Context, survey, vantage, id string, block []byte) error {
	if err := m.alive(); err != nil {
		return err
	}
	return m.Backend.Publish(ctx, survey, vantage, id, block)
}

func (m *mortal) Put(ctx context.Context, key string, data []byte, revision uint64) (uint64, error) {
	if err := m.alive(); err != nil {
		return 0, err
	}
	return m.Backend.Put(ctx, key, data, revision)
}

func (m *mortal) Set(ctx context.Context, key string, data []byte) error {
	if err := m.alive(); err != nil {
		return err
	}
	return m.Backend.Set(ctx, key, data)
}

// A shard that nobody knows of any more is enqueued again.
func TestCollectorRepairs(t *testing.T) {
	b := fleet.NewMemory()
	p, set, list := makePlan(t, 250, "a")
	_, err := fleet.Submit(t.Context(), b, p, [][]byte{list})
	require.NoError(t, err)
	require.NoError(t, b.Purge(t.Context(), p.ID)) // as if it had been lost
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() {
		_ = fleet.Work(ctx, fleet.WorkerConfig{Backend: b, ID: "w", Vantage: "a", Lab: true, Tool: "test", Measurer: fake{mtu: func(netip.Addr) int { return 1500 }}})
	})
	var out lines
	c, err := fleet.NewCollector(b, p, set, &out)
	require.NoError(t, err)
	collecting, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, c.Run(collecting))
	unique(t, out.Bytes(), 250, "a")
	assert.EqualValues(t, 3, c.Repaired)
}

// A survey that is cancelled ends, and keeps what was measured.
func TestCancel(t *testing.T) {
	backends(t, func(t *testing.T, b fleet.Backend) {
		p, set, list := makePlan(t, 1000, "a")
		_, err := fleet.Submit(t.Context(), b, p, [][]byte{list})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		defer wg.Wait()
		defer stop()
		var calls atomic.Int64
		wg.Go(func() {
			_ = fleet.Work(ctx, fleet.WorkerConfig{Backend: b, ID: "w", Vantage: "a", Lab: true, Tool: "test", Block: 10,
				Measurer: fake{mtu: func(netip.Addr) int { return 1500 }, pause: 20 * time.Millisecond, calls: &calls}})
		})
		var out lines
		c, err := fleet.NewCollector(b, p, set, &out)
		require.NoError(t, err)
		var once sync.Once
		c.Observe = func(got fleet.Totals) {
			if got.Records > 0 {
				once.Do(func() { assert.NoError(t, fleet.Cancel(t.Context(), b, "test")) })
			}
		}
		collecting, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, c.Run(collecting))
		assert.False(t, c.Complete())
		assert.Positive(t, c.Records)
		assert.LessOrEqual(t, calls.Load(), int64(2))
	})
}
