package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"pathmtu/probe/survey"
	"pathmtu/results"
)

// Task is what a worker's Measurer is given: the targets of a shard that aren't
// finished.
type Task struct {
	// Config lacks what depends on the place: links, keys and sockets.
	Config  survey.Config
	Targets *survey.List
	Lab     bool // special-purpose addresses are allowed
	// Permit says whether packets may be sent at a time, which is now. Ask right
	// before sending: no, if the targets may be another worker's by now. It is safe
	// for concurrent use.
	Permit func(now time.Time) bool
}

// Measurer measures targets. Each is called from one goroutine, with the final
// record of each target; what all records of a run have in common is set by the
// worker. When ctx ends Measure returns as soon as it can.
type Measurer interface {
	Measure(ctx context.Context, t Task, each func(*results.Record) error) error
}

// WorkerConfig says who a worker is.
type WorkerConfig struct {
	Backend  Backend
	Measurer Measurer
	Tool     string
	ID       string // unique
	Vantage  string // the place it measures from
	Host     string
	PID      int
	// Lab lets it take surveys of special-purpose addresses.
	Lab bool
	// Most bounds its rates, whatever a plan says. 0: no bound.
	Most survey.Rates
	// Idle ends it when there was no work for so long. 0: never.
	Idle time.Duration
	// Block is how many records make a block. 0: DefaultBlock.
	Block int
	// Outstanding is how many blocks may be unconfirmed. 0: 4.
	Outstanding int
	// Log tells people. It may be nil.
	Log func(format string, args ...any)
}

// WorkerInfo is a worker's sign of life.
type WorkerInfo struct {
	ID      string    `json:"id"`
	Vantage string    `json:"vantage"`
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	Tool    string    `json:"tool"`
	Clock   time.Time `json:"clock"`
	Offset  *int64    `json:"clock_offset_us"`
	Error   *int64    `json:"clock_error_us"`
	Survey  string    `json:"survey,omitempty"`
	Shard   *uint64   `json:"shard,omitempty"`
	Share   float64   `json:"share,omitempty"`
	Records uint64    `json:"records"` // since it began
}

// worker is a WorkerConfig at work.
type worker struct {
	WorkerConfig
	mu    sync.Mutex // never held while waiting for the Backend
	info  WorkerInfo
	clock clock

	// Of the last plan; only the goroutine of Work uses it.
	hash string
	set  *survey.Set
	as   *survey.Origins
}

// Work takes shards until ctx ends, or Idle is over; then it returns nil. What
// goes wrong with the Backend is told, though not again and again, and tried
// again, after ever longer pauses of up to ten seconds.
func Work(ctx context.Context, c WorkerConfig) error {
	for field, name := range map[string]string{"worker": c.ID, "vantage": c.Vantage} {
		if err := CheckName(field, name); err != nil {
			return err
		}
	}
	if c.Block == 0 {
		c.Block = DefaultBlock
	}
	if c.Block < 1 || c.Block > MostBlock {
		return &PlanError{"block", c.Block, fmt.Sprintf("1 to %d records", MostBlock)}
	}
	if c.Outstanding == 0 {
		c.Outstanding = 4
	}
	if c.Log == nil {
		c.Log = func(string, ...any) {}
	}
	c.Log = Sparing(c.Log)
	w := &worker{WorkerConfig: c}
	w.info = WorkerInfo{ID: c.ID, Vantage: c.Vantage, Host: c.Host, PID: c.PID, Tool: c.Tool}
	pause := leastPause
	last := time.Now() // there was work
	for ctx.Err() == nil {
		worked, err := w.round(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			c.Log("%v", err)
		case worked:
			last, pause = time.Now(), leastPause
			continue
		}
		if c.Idle > 0 && time.Since(last) > c.Idle {
			break
		}
		sleep(ctx, pause)
		if err == nil || errors.Is(err, errLost) || errors.Is(err, errCancelled) {
			pause = leastPause
		} else {
			pause = min(2*pause, mostPause)
		}
	}
	return nil
}

// Times between two looks for work: when there was none, and when looking fails
// again and again.
const (
	leastPause = 500 * time.Millisecond
	mostPause  = 10 * time.Second
)

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// round looks at each survey once.
func (w *worker) round(ctx context.Context) (worked bool, err error) {
	if err := w.beat(ctx); err != nil {
		return false, err
	}
	names, err := Surveys(ctx, w.Backend)
	if err != nil {
		return false, err
	}
	for _, name := range names {
		st, err := ReadState(ctx, w.Backend, name)
		if errors.Is(err, ErrNotFound) || err == nil && st.Phase != Running {
			continue
		}
		if err != nil {
			return worked, err
		}
		p, err := ReadPlan(ctx, w.Backend, name)
		if err != nil {
			return worked, err
		}
		place := w.Vantage
		if p.Places[0] == Anywhere {
			place = Anywhere
		}
		if !slices.Contains(p.Places, place) || p.Lab && !w.Lab {
			continue
		}
		asked := time.Now()
		lease, err := w.Backend.Lease(ctx, name, place, time.Second)
		if err != nil {
			return worked, err
		}
		if lease == nil {
			continue
		}
		worked = true
		if err := w.shard(ctx, p, lease, asked); err != nil {
			return worked, fmt.Errorf("survey %s, shard %d: %w", name, lease.Shard().Number, err)
		}
	}
	return worked, nil
}

// load fetches what a plan names, unless it is what is there.
func (w *worker) load(ctx context.Context, p *Plan) error {
	hash := p.Hash()
	if w.hash == hash {
		return nil
	}
	b, err := w.blob(ctx, p.List)
	if err != nil {
		return fmt.Errorf("targets: %w", err)
	}
	set, err := DecodeList(b, p.Targets)
	if err != nil {
		return err
	}
	w.as = nil
	if p.Origins != "" {
		b, err := w.blob(ctx, p.Origins)
		if err != nil {
			return fmt.Errorf("origins: %w", err)
		}
		if w.as, err = decodeOrigins(b); err != nil {
			return err
		}
	}
	w.hash, w.set = hash, set
	return nil
}

func (w *worker) blob(ctx context.Context, name string) ([]byte, error) {
	b, err := w.Backend.Blob(ctx, name)
	if err == nil && BlobName(b) != name {
		err = fmt.Errorf("blob %s has another content", name)
	}
	return b, err
}

// beat is a sign of life, which also compares the clocks.
func (w *worker) beat(ctx context.Context) error {
	w.mu.Lock()
	w.info.Clock = time.Now().UTC()
	w.info.Offset, w.info.Error = w.clock.microseconds()
	b, err := json.Marshal(w.info)
	w.mu.Unlock()
	if err != nil {
		return err
	}
	key := WorkerPrefix + w.ID
	before := time.Now()
	if err := w.Backend.Set(ctx, key, b); err != nil {
		return err
	}
	after := time.Now()
	v, err := w.Backend.Get(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return nil // a minute has passed in between
	}
	if err == nil {
		w.mu.Lock()
		w.clock.compare(before, after, v.Created)
		w.mu.Unlock()
	}
	return err
}

// now is the time by the Store's clock.
func (w *worker) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.clock.offset)
}

// tell changes what the next sign of life says.
func (w *worker) tell(change func(*WorkerInfo)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.info)
}

// clock is what a worker knows of the Store's clock.
type clock struct {
	known         bool
	offset, error time.Duration
}

// compare takes into account that the Store's clock showed a time between two
// times of this machine.
func (c *clock) compare(before, after, store time.Time) {
	half := after.Sub(before) / 2
	c.known, c.offset, c.error = true, store.Sub(before.Add(half)), half
}

func (c *clock) microseconds() (offset, err *int64) {
	if !c.known {
		return nil, nil
	}
	o, e := c.offset.Microseconds(), c.error.Microseconds()
	return &o, &e
}

// Workers returns the signs of life of all workers.
func Workers(ctx context.Context, s Store) ([]WorkerInfo, error) {
	keys, err := s.Keys(ctx, WorkerPrefix)
	if err != nil {
		return nil, err
	}
	var all []WorkerInfo
	for _, k := range keys {
		v, err := s.Get(ctx, k)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		i, err := decodeWorker(v.Data)
		if err == nil && k != WorkerPrefix+i.ID {
			err = fmt.Errorf("it is of %s", i.ID)
		}
		if err != nil {
			return nil, fmt.Errorf("fleet: %s: %w", k, err)
		}
		all = append(all, i)
	}
	return all, nil
}

// mostText bounds what a worker says of itself, each, for people to read. Bytes.
const mostText = 256

// decodeWorker reads a sign of life.
func decodeWorker(b []byte) (i WorkerInfo, err error) {
	if err := json.Unmarshal(b, &i); err != nil {
		return WorkerInfo{}, err
	}
	for _, f := range [][2]string{{"id", i.ID}, {"vantage", i.Vantage}} {
		if err := CheckName(f[0], f[1]); err != nil {
			return WorkerInfo{}, err
		}
	}
	for _, f := range [][2]string{{"host", i.Host}, {"tool", i.Tool}, {"survey", i.Survey}} {
		if len(f[1]) > mostText || strings.ContainsFunc(f[1], unicode.IsControl) {
			return WorkerInfo{}, &PlanError{f[0], strconv.Quote(f[1][:min(len(f[1]), mostText)]), fmt.Sprintf("at most %d bytes, none of them control characters", mostText)}
		}
	}
	if !(i.Share >= 0 && i.Share <= 1) {
		return WorkerInfo{}, &PlanError{"share", i.Share, "0 to 1"}
	}
	return i, nil
}
