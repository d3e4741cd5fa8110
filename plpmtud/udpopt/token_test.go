package udpopt

import (
	"crypto/rand"
	"errors"
	"io"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pathmtu/plpmtud"
)

// U3.1-2, U3.1-3: within the MSL every token names one probe, however fast they
// are asked for; memory does not grow.
func TestTokensAreUniqueWithinMSL(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// A reader of few values, so that collisions are the rule.
		seed := rapid.Uint64().Draw(t, "seed")
		tokens := NewTokens(readerFunc(func(b []byte) (int, error) {
			for i := range b {
				seed = seed*6364136223846793005 + 1442695040888963407
				b[i] = byte(seed>>33) & 0x07
			}
			return len(b), nil
		}))
		type use struct {
			at time.Time
			id plpmtud.ProbeID
		}
		seen := map[Token]use{}
		now := t0
		for i := range 240 {
			now = now.Add(time.Duration(rapid.IntRange(0, 1500).Draw(t, "ms")) * time.Millisecond)
			id := plpmtud.ProbeID(i + 1)
			token, err := tokens.Issue(now, id, 1200)
			if err != nil {
				require.ErrorIs(t, err, ErrTokens)
				require.True(t, tokens.Next(now).After(now))
				continue
			}
			if old, ok := seen[token]; ok && now.Sub(old.at) < MSL {
				t.Fatalf("token %v issued again after %v", token, now.Sub(old.at))
			}
			seen[token] = use{now, id}
			if i%8 != 0 {
				continue
			}
			for other, u := range seen {
				size, ok := tokens.Sent(now, other)
				if ok != (now.Sub(u.at) < MSL) || ok && size != 1200 {
					t.Fatalf("token of %v ago: recent %v", now.Sub(u.at), ok)
				}
			}
		}
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// U3.1-4 and RFC 9869 section 8: each token is drawn anew from the reader, all 32
// bits of it; none follows from the one before.
func TestTokensAreDrawn(t *testing.T) {
	var fed []byte
	tokens := NewTokens(io.TeeReader(rand.Reader, writerFunc(func(b []byte) (int, error) {
		fed = append(fed, b...)
		return len(b), nil
	})))
	for i := range 100 {
		token, err := tokens.Issue(t0, plpmtud.ProbeID(i), 1)
		require.NoError(t, err)
		want := fed[len(fed)-4:]
		assert.Equal(t, Token(want[0])<<24|Token(want[1])<<16|Token(want[2])<<8|Token(want[3]), token)
	}
	assert.GreaterOrEqual(t, len(fed), 400)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestTokenErrors(t *testing.T) {
	failed := errors.New("no entropy")
	_, err := NewTokens(iotest.ErrReader(failed)).Issue(t0, 1, 1)
	assert.ErrorIs(t, err, failed)

	stuck := NewTokens(readerFunc(func(b []byte) (int, error) { clear(b); return len(b), nil }))
	_, err = stuck.Issue(t0, 1, 1)
	require.NoError(t, err)
	_, err = stuck.Issue(t0, 2, 1)
	assert.ErrorIs(t, err, ErrRandom)
	_, err = stuck.Issue(t0.Add(MSL), 3, 1)
	assert.NoError(t, err, "after the MSL a token may come again")
}

// U3.1-5, D3-f, D4.1-3, D6.1.1: answers are matched once; replayed, stale and invented
// ones are told apart.
func TestAnswers(t *testing.T) {
	tokens := NewTokens(rand.Reader)
	first, err := tokens.Issue(t0, 1, 1200)
	require.NoError(t, err)
	second, err := tokens.Issue(t0.Add(time.Second), 2, 1400)
	require.NoError(t, err)

	id, answer := tokens.Answered(t0.Add(2*time.Second), second)
	assert.Equal(t, Matched, answer)
	assert.Equal(t, plpmtud.ProbeID(2), id)
	_, answer = tokens.Answered(t0.Add(3*time.Second), second)
	assert.Equal(t, Replayed, answer)
	id, answer = tokens.Answered(t0.Add(4*time.Second), first)
	assert.Equal(t, Matched, answer, "late, and after a later one")
	assert.Equal(t, plpmtud.ProbeID(1), id)
	_, answer = tokens.Answered(t0.Add(4*time.Second), first^second^0x5a)
	assert.Equal(t, UnknownToken, answer)
	_, answer = tokens.Answered(t0.Add(MSL+time.Second), second)
	assert.Equal(t, UnknownToken, answer, "stale")
	assert.Equal(t, []string{"unknown", "matched", "replayed", "BUG"},
		[]string{UnknownToken.String(), Matched.String(), Replayed.String(), Answer(9).String()})
}
