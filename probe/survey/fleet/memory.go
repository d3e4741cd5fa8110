package fleet

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Memory is a Backend within a process: a fake for tests, and for programs that
// need no other. What it holds is gone with the process.
type Memory struct {
	// Now is its clock. Nil: time.Now.
	Now func() time.Time

	mu     sync.Mutex
	values map[string]Value
	blobs  map[string][]byte
	work   []*memoryShard
	lease  map[string]time.Duration // of survey.vantage
	blocks []*memoryBlock
	seen   map[string]bool // ids of blocks
}

type memoryShard struct {
	Shard
	id    uint64 // of the lease; 0: never leased
	until time.Time
	times uint64
}

type memoryBlock struct {
	survey string
	data   []byte
	until  time.Time
}

// NewMemory returns an empty one.
func NewMemory() *Memory {
	return &Memory{values: map[string]Value{}, blobs: map[string][]byte{}, lease: map[string]time.Duration{}, seen: map[string]bool{}}
}

// memoryAckWait is how long a Collector has to acknowledge a block.
const memoryAckWait = 30 * time.Second

func (m *Memory) now() time.Time {
	if m.Now != nil {
		return m.Now()
	}
	return time.Now()
}

// Get implements Store.
func (m *Memory) Get(_ context.Context, key string) (Value, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.get(key)
	if !ok {
		return Value{}, ErrNotFound
	}
	return v, nil
}

func (m *Memory) get(key string) (Value, bool) {
	v, ok := m.values[key]
	if ok && strings.HasPrefix(key, WorkerPrefix) && m.now().Sub(v.Created) > WorkerTTL {
		return Value{}, false
	}
	return v, ok
}

// Put implements Store.
func (m *Memory) Put(_ context.Context, key string, data []byte, revision uint64) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, _ := m.get(key); v.Revision != revision {
		return 0, ErrConflict
	}
	return m.set(key, data), nil
}

func (m *Memory) set(key string, data []byte) uint64 {
	r := m.values[key].Revision + 1
	m.values[key] = Value{slices.Clone(data), r, m.now()}
	return r
}

// Set implements Store.
func (m *Memory) Set(_ context.Context, key string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.set(key, data)
	return nil
}

// Keys implements Store.
func (m *Memory) Keys(_ context.Context, prefix string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var keys []string
	for _, k := range slices.Sorted(maps.Keys(m.values)) {
		if _, ok := m.get(k); ok && strings.HasPrefix(k, prefix) {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

// PutBlob implements Store.
func (m *Memory) PutBlob(_ context.Context, name string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.blobs[name] = slices.Clone(data)
	return nil
}

// Blob implements Store.
func (m *Memory) Blob(_ context.Context, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.blobs[name]
	if !ok {
		return nil, ErrNotFound
	}
	return slices.Clone(b), nil
}

// Open implements Queue.
func (m *Memory) Open(_ context.Context, survey, vantage string, lease time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lease[survey+"."+vantage] = lease
	return nil
}

// Enqueue implements Queue.
func (m *Memory) Enqueue(_ context.Context, s Shard) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.work = append(m.work, &memoryShard{Shard: s})
	return nil
}

// Lease implements Queue.
func (m *Memory) Lease(ctx context.Context, survey, vantage string, wait time.Duration) (Lease, error) {
	return poll(ctx, wait, func() Lease {
		m.mu.Lock()
		defer m.mu.Unlock()
		now := m.now()
		for _, w := range m.work {
			if w.Survey == survey && w.Vantage == vantage && !now.Before(w.until) {
				w.id++
				w.times++
				w.until = now.Add(m.lease[survey+"."+vantage])
				return &memoryLease{m, w, w.id}
			}
		}
		return nil
	}, func(l Lease) bool { return l != nil })
}

// poll asks until there is something, or the time is over.
func poll[T any](ctx context.Context, wait time.Duration, ask func() T, good func(T) bool) (T, error) {
	end := time.NewTimer(wait)
	defer end.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		if v := ask(); good(v) {
			return v, nil
		}
		var none T
		select {
		case <-ctx.Done():
			return none, ctx.Err()
		case <-end.C:
			return none, nil
		case <-tick.C:
		}
	}
}

// Depth implements Queue.
func (m *Memory) Depth(_ context.Context, survey, vantage string) (Depth, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var d Depth
	for _, w := range m.work {
		switch {
		case w.Survey != survey || w.Vantage != vantage:
		case m.now().Before(w.until):
			d.Leased++
			if w.times > 1 {
				d.Again++
			}
		default:
			d.Waiting++
		}
	}
	return d, nil
}

// Purge implements Queue.
func (m *Memory) Purge(_ context.Context, survey string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.work = slices.DeleteFunc(m.work, func(w *memoryShard) bool { return w.Survey == survey && !m.now().Before(w.until) })
	return nil
}

// Close implements Queue.
func (m *Memory) Close(_ context.Context, survey string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.work = slices.DeleteFunc(m.work, func(w *memoryShard) bool { return w.Survey == survey })
	return nil
}

type memoryLease struct {
	m  *Memory
	w  *memoryShard
	id uint64
}

func (l *memoryLease) Shard() Shard { return l.w.Shard }

// hold runs f if the lease is still this worker's.
func (l *memoryLease) hold(f func()) error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	if l.w.id != l.id {
		return ErrConflict
	}
	f()
	return nil
}

func (l *memoryLease) Extend(context.Context) error {
	return l.hold(func() { l.w.until = l.m.now().Add(l.m.lease[l.w.Survey+"."+l.w.Vantage]) })
}

func (l *memoryLease) Done(context.Context) error {
	return l.hold(func() {
		l.m.work = slices.DeleteFunc(l.m.work, func(w *memoryShard) bool { return w == l.w })
	})
}

func (l *memoryLease) Release(_ context.Context, after time.Duration) error {
	return l.hold(func() { l.w.until = l.m.now().Add(after) })
}

// Publish implements Sink.
func (m *Memory) Publish(_ context.Context, survey, _, id string, block []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seen[id] {
		return nil
	}
	m.seen[id] = true
	m.blocks = append(m.blocks, &memoryBlock{survey: survey, data: slices.Clone(block)})
	return nil
}

// Receive implements Sink.
func (m *Memory) Receive(ctx context.Context, survey string, most int, wait time.Duration) ([]Delivery, error) {
	return poll(ctx, wait, func() []Delivery {
		m.mu.Lock()
		defer m.mu.Unlock()
		var out []Delivery
		for _, b := range m.blocks {
			if b.survey != survey || m.now().Before(b.until) || len(out) == most {
				continue
			}
			b.until = m.now().Add(memoryAckWait)
			out = append(out, Delivery{b.data, func(context.Context) error {
				m.mu.Lock()
				defer m.mu.Unlock()
				m.blocks = slices.DeleteFunc(m.blocks, func(x *memoryBlock) bool { return x == b })
				return nil
			}})
		}
		return out
	}, func(d []Delivery) bool { return len(d) > 0 })
}

// Pending implements Sink.
func (m *Memory) Pending(_ context.Context, survey string) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := uint64(0)
	for _, b := range m.blocks {
		if b.survey == survey {
			n++
		}
	}
	return n, nil
}
