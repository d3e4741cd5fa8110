package udpopt

import (
	"time"

	"pathmtu/plpmtud"
)

// Engine runs DPLPMTUD over UDP Options (RFC 9869) for one socket pair, in both
// directions. It is pure but for the reader of randomness: no clock, no socket;
// packets are byte slices. It is not safe for concurrent use.
//
// A program calls Poll when it could send, and at the time that Next names; it
// hands in what arrives with Receive and PTB.
type Engine struct {
	config   Config
	path     *plpmtud.Path
	tokens   *Tokens
	echo     echo
	overhead int
	base     int       // BASE_PLPMTU
	localMax int       // Config.Path.Max or SetMax
	peerMax  int       // the peer's MDS; 0: not known
	started  time.Time // when BASE_PLPMTU was last tried from scratch
	retryAt  time.Time // when to look again for a peer that gave no answer
	running  bool
	answered bool
	counters Counters
}

// Counters count what happened to an Engine.
type Counters struct {
	Probes    uint64 // probes sent
	Answers   uint64 // of these, answered
	Replays   uint64 // RES for a probe that was answered before
	Strays    uint64 // RES with a token that was not issued within the MSL
	Requests  uint64 // REQ received
	Responses uint64 // RES sent, alone or with data
	PTBUsed   uint64 // validated Packet Too Big messages
	PTBBad    uint64 // Packet Too Big messages that failed validation
}

// Enabled reports whether DPLPMTUD is on.
func (e *Engine) Enabled() bool { return e.config.Enabled }

// Start begins discovery: the application wants it, and is about to exchange
// data. UDP gives no proof of connectivity, so the first probe, padded to
// BASE_PLPMTU, has to be answered first (RFC 9869 section 4.1). Calling it again
// says that the path is another one. It does nothing unless Enabled.
func (e *Engine) Start(now time.Time) {
	if !e.config.Enabled {
		return
	}
	e.running, e.answered = true, false
	e.restart(now)
}

func (e *Engine) restart(now time.Time) {
	e.started, e.retryAt = now, time.Time{}
	e.path.Start(now, 0)
}

// Stop ends discovery; the peer's probes are answered still.
func (e *Engine) Stop(now time.Time) {
	e.running, e.retryAt = false, time.Time{}
	e.path.Stop(now)
}

// Poll appends the payload of an IP packet to send now, if one is due: an RES
// that the peer waits for, or a probe: UDP Length 8, REQ, EOL and zero bytes, no
// data (RFC 9869 section 4.5). It must leave unfragmented, over IPv4 with DF set,
// whatever path MTU the kernel has cached (section 3.2). Call it until it
// reports false.
func (e *Engine) Poll(now time.Time, b []byte) ([]byte, bool) {
	if !e.config.Enabled {
		return b, false
	}
	if e.echo.pending && !e.echo.ready(e.config.Respond).After(now) {
		token := e.echo.spend(now, e.config.Respond)
		e.counters.Responses++
		return e.append(b, RES, token, 0), true
	}
	if !e.running {
		return b, false
	}
	e.retry(now)
	if !e.tokens.Next(now).IsZero() {
		return b, false
	}
	probe, ok := e.path.Poll(now)
	e.watch(now)
	if !ok {
		return b, false
	}
	token, err := e.tokens.Issue(now, probe.ID, probe.Size)
	if err != nil {
		e.path.Lost(now, probe.ID) // it can't be sent: as good as lost
		return b, false
	}
	e.counters.Probes++
	return e.append(b, REQ, token, probe.Size), true
}

// append encodes a datagram without data. size is a PL size; 0: as needed.
func (e *Engine) append(b []byte, k Kind, t Token, size int) []byte {
	var buf [lenMDS + lenEcho]byte
	opts := buf[:0]
	if k == REQ {
		opts = AppendREQ(opts, t)
	} else {
		opts = AppendRES(opts, t)
	}
	if e.config.MDS != 0 && (size == 0 || size >= ocsLen+len(opts)+lenMDS) {
		opts = AppendMDS(opts, e.config.MDS)
	}
	if size != 0 {
		size += headerLen
	}
	// Neither the addresses nor a size between smallest and Max can be wrong.
	b, _ = AppendDatagram(b, e.config.Local, e.config.Remote, nil, opts, size)
	return b
}

// Next returns when to call Poll without a further event; the zero time: after
// an event.
func (e *Engine) Next(now time.Time) time.Time {
	if !e.config.Enabled {
		return time.Time{}
	}
	var next time.Time
	if e.running {
		next = earlier(e.path.Next(), e.retryAt)
		if free := e.tokens.Next(now); !next.IsZero() && next.Before(free) {
			next = free
		}
	}
	if e.echo.pending {
		next = earlier(next, e.echo.ready(e.config.Respond))
	}
	return next
}

// earlier returns the earlier of two times, of which zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// watch notices that the state machine gave up: nobody answers, which is what
// happens with a peer that knows no UDP Options (RFC 9869 section 3.3).
func (e *Engine) watch(now time.Time) {
	if !e.running || e.path.State() != plpmtud.Disabled || !e.retryAt.IsZero() {
		return
	}
	interval := e.config.Path.RaiseInterval
	if interval == 0 {
		interval = plpmtud.DefaultRaiseInterval
	}
	if interval > 0 {
		e.retryAt = now.Add(interval)
	}
}

// retry looks again for a peer that gave no answer, as PMTU_RAISE_TIMER has it.
func (e *Engine) retry(now time.Time) {
	if !e.retryAt.IsZero() && !now.Before(e.retryAt) {
		e.restart(now)
	}
}

// PLPMTU returns the largest datagram that may be sent, in bytes of user data
// plus surplus area. It rises only when a probe of exactly that size was
// answered.
func (e *Engine) PLPMTU() int { return e.path.PLPMTU() }

// MTU returns the same as the size of an IP packet in bytes.
func (e *Engine) MTU() int { return e.path.MTU() }

// MPS returns how many bytes of user data a datagram without options may carry.
func (e *Engine) MPS() int { return e.path.MPS() }

// State returns the state of RFC 8899 section 5.2.
func (e *Engine) State() plpmtud.State { return e.path.State() }

// Answered reports whether the peer answered a probe since Start: it knows UDP
// Options, and has DPLPMTUD enabled.
func (e *Engine) Answered() bool { return e.answered }

// Counters returns what has happened so far.
func (e *Engine) Counters() Counters { return e.counters }
