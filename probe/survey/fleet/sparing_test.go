package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSparing(t *testing.T) {
	var s sparing
	at := time.Unix(1e9, 0)
	var told []string
	hear := func(text string) {
		if out, ok := s.say(at, text); ok {
			told = append(told, fmt.Sprintf("%v: %s", at.Sub(time.Unix(1e9, 0)), out))
		}
	}
	for range 4 * 3600 { // one of two failures a second, for four hours
		hear("no")
		at = at.Add(time.Second)
	}
	hear("never")
	hear("never")
	assert.Equal(t, []string{
		"0s: no",
		"1m0s: no (59 times more since it was told)",
		"3m0s: no (119 times more since it was told)",
		"7m0s: no (239 times more since it was told)",
		"15m0s: no (479 times more since it was told)",
		"31m0s: no (959 times more since it was told)",
		"1h1m0s: no (1799 times more since it was told)",
		"1h31m0s: no (1799 times more since it was told)",
		"2h1m0s: no (1799 times more since it was told)",
		"2h31m0s: no (1799 times more since it was told)",
		"3h1m0s: no (1799 times more since it was told)",
		"3h31m0s: no (1799 times more since it was told)",
		"4h0m0s: never",
	}, told)
	told = nil
	at = at.Add(time.Hour)
	hear("never")
	at = at.Add(2 * time.Hour)
	hear("never")
	assert.Equal(t, []string{"5h0m0s: never (1 times more since it was told)", "7h0m0s: never"}, told)
}

// Memory is bounded, whatever is told.
func TestSparingForgets(t *testing.T) {
	var s sparing
	at := time.Unix(1e9, 0)
	for i := range 10_000 {
		_, ok := s.say(at, fmt.Sprint(i))
		require.True(t, ok)
		require.LessOrEqual(t, len(s.texts), mostTexts)
		at = at.Add(time.Duration(i%3) * time.Second)
	}
}

// refusing is a Backend that lets nobody do anything, as long as it has a reason.
type refusing struct {
	Backend
	mu    sync.Mutex
	why   error
	asked int
	said  []string
}

func (r *refusing) Set(ctx context.Context, key string, data []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.why != nil {
		r.asked++
		return r.why
	}
	return r.Backend.Set(ctx, key, data)
}

func (r *refusing) log(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

// after says what happened until some time has passed, and goes on for another
// reason.
func (r *refusing) after(ctx context.Context, d time.Duration, why error) (asked int, said []string) {
	sleep(ctx, d)
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	asked, said = r.asked, r.said
	r.why, r.asked, r.said = why, 0, nil
	return asked, said
}

// A worker that is refused, for hours, asks ever more seldom and says so a few
// times. What is wrong then is told anew, and when it is let in it goes on.
func TestRefusedWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &refusing{Backend: NewMemory(), why: errors.New("you have no permission")}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- Work(ctx, WorkerConfig{Backend: b, ID: "w", Vantage: "v", Log: b.log}) }()
		asked, said := b.after(ctx, 3*time.Hour, errors.New("your token has expired"))
		assert.InDelta(t, 3*3600/mostPause.Seconds(), asked, 10)
		require.NotEmpty(t, said)
		assert.Equal(t, "you have no permission", said[0])
		assert.Less(t, len(said), 15, "%q", said)
		asked, said = b.after(ctx, 2*mostPause, nil)
		assert.Less(t, asked, 4)
		assert.Equal(t, []string{"your token has expired"}, said)
		_, said = b.after(ctx, mostPause+time.Second, nil)
		assert.Empty(t, said)
		all, err := Workers(ctx, b)
		require.NoError(t, err)
		require.Len(t, all, 1, "it shows that it lives")
		stop()
		require.NoError(t, <-done)
	})
}
