package fleet

import (
	"fmt"
	"sync"
	"time"
)

// How long the same text isn't told again: at first, and at most.
const (
	leastSilence = time.Minute
	mostSilence  = 30 * time.Minute
	mostTexts    = 64 // that are remembered
)

// sparing says what of a log is worth telling. What fails is tried again, for
// hours if need be: that is told once, again when something else is wrong, and
// else now and then, ever more seldom, with how often it was so.
type sparing struct {
	mu    sync.Mutex
	texts map[string]*said
}

// said is a text that was told.
type said struct {
	until   time.Time // when it may be told again
	silence time.Duration
	unsaid  int
}

// say returns what is to be told now; false: nothing.
func (s *sparing) say(now time.Time, text string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.texts[text]
	switch {
	case k == nil:
		if len(s.texts) >= mostTexts {
			s.forget(now)
		}
		if s.texts == nil {
			s.texts = make(map[string]*said)
		}
		s.texts[text] = &said{until: now.Add(leastSilence), silence: leastSilence}
		return text, true
	case now.Before(k.until):
		k.unsaid++
		return "", false
	case k.unsaid == 0: // it has not been so for a while: as if it were new
		k.until, k.silence = now.Add(leastSilence), leastSilence
		return text, true
	}
	n := k.unsaid
	k.silence = min(2*k.silence, mostSilence)
	k.until, k.unsaid = now.Add(k.silence), 0
	return fmt.Sprintf("%s (%d times more since it was told)", text, n), true
}

// forget makes room for another text.
func (s *sparing) forget(now time.Time) {
	for text, k := range s.texts {
		if !now.Before(k.until) && k.unsaid == 0 {
			delete(s.texts, text)
		}
	}
	if len(s.texts) >= mostTexts { // nothing is the same twice
		clear(s.texts)
	}
}

// Sparing returns a log that doesn't tell people the same thing again and again:
// once, and then after a minute or more, with how often it would have been told.
// It is safe for concurrent use if log is.
func Sparing(log func(format string, args ...any)) func(format string, args ...any) {
	var s sparing
	return func(format string, args ...any) {
		if text, ok := s.say(time.Now(), fmt.Sprintf(format, args...)); ok {
			log("%s", text)
		}
	}
}
