package fleet

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Whatever workers do, the shares that haven't expired never make more than 1,
// and a worker has at most one.
func TestLedgerNeverGivesMoreThanAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l Ledger
		now := time.Unix(1000, 0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			worker := fmt.Sprint(rapid.IntRange(0, 5).Draw(t, "worker"))
			until := now.Add(time.Duration(rapid.IntRange(1, 60).Draw(t, "lease")) * time.Second)
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				parts := rapid.IntRange(0, 8).Draw(t, "parts")
				share, ok := l.Take(now, until, worker, parts)
				require.Equal(t, ok, share > 0)
				require.LessOrEqual(t, share, 1/float64(max(parts, 1)))
			case 1:
				before := len(l.Grants)
				l.Renew(now, until, worker)
				require.LessOrEqual(t, len(l.Grants), before)
			case 2:
				l.Drop(worker)
			case 3:
				now = now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "pass")) * time.Second)
			}
			sum, names := 0.0, map[string]bool{}
			for _, g := range l.Grants {
				require.False(t, names[g.Worker])
				names[g.Worker] = true
				if now.Before(g.Until) {
					sum += g.Share
				}
			}
			require.LessOrEqual(t, sum, 1+1e-9)
		}
	})
}

// Workers that change the ledger at the same time don't undo one another's work.
func TestLedgerIsShared(t *testing.T) {
	m := NewMemory()
	now := time.Now()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 50 {
				assert.NoError(t, changeLedger(t.Context(), m, "s", func(l *Ledger) bool {
					l.Take(now, now.Add(time.Hour), fmt.Sprint(i), 8)
					return true
				}))
			}
		})
	}
	wg.Wait()
	require.NoError(t, changeLedger(t.Context(), m, "s", func(l *Ledger) bool {
		assert.Len(t, l.Grants, 8)
		return false
	}))
}

// The clock of a worker is compared within what a request takes.
func TestClock(t *testing.T) {
	var c clock
	o, e := c.microseconds()
	assert.Nil(t, o)
	assert.Nil(t, e)
	at := time.Unix(1000, 0)
	c.compare(at, at.Add(20*time.Millisecond), at.Add(5*time.Second+10*time.Millisecond))
	o, e = c.microseconds()
	assert.EqualValues(t, 5_000_000, *o)
	assert.EqualValues(t, 10_000, *e)
}
