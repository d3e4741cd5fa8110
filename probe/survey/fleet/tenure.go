package fleet

import (
	"sync"
	"time"
)

// tenure is until when a shard is surely this worker's. Whoever sends asks right
// before it does, since a process may be stopped at any point, and go on after its
// lease has passed to another as if no time had gone by.
type tenure struct {
	mu    sync.Mutex
	until time.Time
}

// renew says that the shard is this worker's until a time.
func (t *tenure) renew(until time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.until = until
}

// end says that the shard is another's.
func (t *tenure) end() { t.renew(time.Time{}) }

// holds says whether the shard is this worker's. It asks the monotonic clock,
// which nobody sets, and the wall clock, which goes on while the machine sleeps:
// either of them may say no. If that is because the clock was set, the next renewal
// mends it.
func (t *tenure) holds(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return now.Before(t.until) && now.Round(0).Before(t.until.Round(0))
}
