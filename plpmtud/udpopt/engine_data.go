package udpopt

import (
	"fmt"
	"time"
)

// Receive takes the options of a datagram from the peer: an RES that answers a
// probe, a REQ to be answered, an MDS. The caller has checked that the datagram
// belongs to the socket pair, and that Receive's disposition is Deliver or
// Fragment.
func (e *Engine) Receive(now time.Time, o Options) {
	if !e.config.Enabled {
		return
	}
	if t, ok := o.REQ(); ok {
		e.counters.Requests++
		e.requested(now, t)
	}
	t, ok := o.RES()
	if !ok {
		return
	}
	id, answer := e.tokens.Answered(now, t)
	switch answer {
	case Replayed:
		e.counters.Replays++
	case UnknownToken:
		e.counters.Strays++
	case Matched:
		e.counters.Answers++
		e.answered = true
		e.limit(now, o)
		e.path.Acked(now, id)
		e.watch(now)
	}
}

// requested takes note of a REQ. It also shows that the peer knows UDP Options
// after all, so that a search given up for want of answers may begin again; not
// often, since anybody can forge it.
func (e *Engine) requested(now time.Time, t Token) {
	if e.echo.full.IsZero() {
		e.echo.full = now
	}
	e.echo.request(t)
	if !e.retryAt.IsZero() && now.Sub(e.started) >= restartInterval {
		e.restart(now)
	}
}

// limit lets the peer's MDS bound the search (RFC 9869 section 4.2). It is
// believed only beside an answer to a token of ours, and never below
// BASE_PLPMTU: off-path attackers could otherwise end the search.
func (e *Engine) limit(now time.Time, o Options) {
	mds, ok := o.MDS()
	if !ok || int(mds) == e.peerMax {
		return
	}
	e.peerMax = int(mds)
	e.setMax(now)
}

// SetMax tells of a new limit of the local interface: its IP MTU, in bytes, or
// what is known to fit after "message too long".
func (e *Engine) SetMax(now time.Time, mtu int) {
	e.localMax = mtu - e.overhead
	e.setMax(now)
}

func (e *Engine) setMax(now time.Time) {
	limit := e.localMax
	if e.peerMax != 0 {
		limit = min(limit, max(e.peerMax, e.base))
	}
	e.path.SetMax(now, limit)
	e.watch(now)
}

// TooLargeError reports user data that doesn't fit into the PLPMTU.
type TooLargeError struct {
	Size int // bytes of user data
	Max  int // bytes that fit now
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("udpopt: user data of %d bytes, want at most %d (the PLPMTU)", e.Size, e.Max)
}

// Data appends the payload of an IP packet that carries user data, and with it
// the RES that the peer waits for, if there is one and there is room for it: that
// spares a datagram, and is not rate-limited. The error is a *TooLargeError: no
// packet but a probe may exceed the PLPMTU (RFC 8899 section 3).
func (e *Engine) Data(b, data []byte) (out []byte, options bool, err error) {
	most := maxPayload - headerLen
	if e.config.Enabled {
		most = min(most, e.path.MPS())
	}
	if len(data) > most {
		return b, false, &TooLargeError{Size: len(data), Max: most}
	}
	var buf [lenEcho]byte
	opts := buf[:0]
	if e.echo.pending && len(data)+len(data)&1+ocsLen+lenEcho <= most {
		opts = AppendRES(opts, e.echo.token)
	}
	out, err = AppendDatagram(b, e.config.Local, e.config.Remote, data, opts, 0)
	if err == nil && len(opts) > 0 {
		e.echo.pending = false
		e.counters.Responses++
	}
	return out, len(opts) > 0, err
}
