package udpopt

import (
	"encoding/binary"
	"errors"
	"io"
	"time"

	"pathmtu/plpmtud"
)

// MSL is the Maximum Segment Lifetime: within it a token names one probe only
// (RFC 9869 section 3.1, RFC 9293).
const MSL = 2 * time.Minute

// maxTokens is how many probes one socket pair can send within an MSL. A search
// takes a dozen.
const maxTokens = 128

var (
	// ErrTokens reports that as many probes have been sent within the MSL as
	// tokens are remembered: no further one can be told apart for certain.
	ErrTokens = errors.New("udpopt: 128 tokens issued within 2 minutes")
	// ErrRandom reports a source of randomness that repeats itself.
	ErrRandom = errors.New("udpopt: source of randomness keeps repeating tokens")
)

// Tokens issues and recognises the tokens of the REQ options of one socket pair.
//
// Every token is drawn anew, so that seeing some doesn't tell the next one
// (RFC 9869 section 8), and none is issued twice within the MSL (section 3.1).
// Memory is fixed. Tokens is pure but for the reader it draws from, and not safe
// for concurrent use.
type Tokens struct {
	random io.Reader
	ring   [maxTokens]issued
	first  int // the oldest
	n      int
}

type issued struct {
	at       time.Time
	token    Token
	id       plpmtud.ProbeID
	size     uint16
	answered bool
}

// Answer is what an RES amounts to.
type Answer uint8

const (
	// UnknownToken: never issued, or longer than an MSL ago.
	UnknownToken Answer = iota
	// Matched: the first answer to a probe.
	Matched
	// Replayed: the probe has been answered before.
	Replayed
)

func (a Answer) String() string {
	switch a {
	case UnknownToken:
		return "unknown"
	case Matched:
		return "matched"
	case Replayed:
		return "replayed"
	}
	return "BUG"
}

// NewTokens returns a Tokens that draws from random, which has to be
// unpredictable: crypto/rand.Reader, unless in a test.
func NewTokens(random io.Reader) *Tokens { return &Tokens{random: random} }

// Issue returns a new token for a probe of size bytes of PL size. The error is
// ErrTokens, ErrRandom, or the reader's.
func (t *Tokens) Issue(now time.Time, id plpmtud.ProbeID, size int) (Token, error) {
	t.expire(now)
	if t.n == maxTokens {
		return 0, ErrTokens
	}
	for range 8 {
		var b [4]byte
		if _, err := io.ReadFull(t.random, b[:]); err != nil {
			return 0, err
		}
		token := Token(binary.BigEndian.Uint32(b[:]))
		if t.find(token) != nil {
			continue
		}
		t.ring[(t.first+t.n)%maxTokens] = issued{at: now, token: token, id: id, size: uint16(size)}
		t.n++
		return token, nil
	}
	return 0, ErrRandom
}

// Next returns when the next token can be issued: the zero time means at once.
func (t *Tokens) Next(now time.Time) time.Time {
	t.expire(now)
	if t.n < maxTokens {
		return time.Time{}
	}
	return t.ring[t.first].at.Add(MSL)
}

// Answered says that an RES with this token arrived, and returns the probe that
// it answers. A responder echoes the last token it saw, so probes before that
// one may stay unanswered though they arrived (RFC 9869 section 3.3).
func (t *Tokens) Answered(now time.Time, token Token) (plpmtud.ProbeID, Answer) {
	t.expire(now)
	e := t.find(token)
	switch {
	case e == nil:
		return 0, UnknownToken
	case e.answered:
		return e.id, Replayed
	}
	e.answered = true
	return e.id, Matched
}

// Sent reports whether a probe with this token was sent within the MSL, and of
// which size. It is the check of RFC 9869 section 5.2.
func (t *Tokens) Sent(now time.Time, token Token) (size int, ok bool) {
	t.expire(now)
	if e := t.find(token); e != nil {
		return int(e.size), true
	}
	return 0, false
}

func (t *Tokens) find(token Token) *issued {
	for i := range t.n {
		if e := &t.ring[(t.first+i)%maxTokens]; e.token == token {
			return e
		}
	}
	return nil
}

// expire forgets what is older than an MSL.
func (t *Tokens) expire(now time.Time) {
	for t.n > 0 && now.Sub(t.ring[t.first].at) >= MSL {
		t.first = (t.first + 1) % maxTokens
		t.n--
	}
}
