package udpopt

import (
	"fmt"
	"io"
	"net/netip"
	"time"

	"pathmtu/plpmtud"
)

// Sizes below the packetization layer, which here is all that follows the UDP
// header: user data and surplus area.
const (
	overhead4 = 20 + headerLen
	overhead6 = 40 + headerLen
	// min4 and min6 are MIN_PLPMTU: what gives an IP packet of 68 or 1280 bytes
	// (RFC 8899 section 5.1.2).
	min4 = 68 - overhead4
	min6 = 1280 - overhead6
	// restartInterval is the least time between two searches from scratch that
	// packets of the peer cause.
	restartInterval = time.Minute
	// smallest is the least PL size that holds a probe: OCS and REQ.
	smallest = ocsLen + lenEcho
)

// Config says what an Engine is for. The zero value of Enabled makes it do
// nothing at all: DPLPMTUD is off until the application asks for it (RFC 9869
// section 3).
type Config struct {
	// Enabled switches DPLPMTUD on, for this socket pair and in both
	// directions: probing, and answering the peer's probes. It should be off
	// where a layer above runs DPLPMTUD itself, and for encrypted ones it is
	// better there (sections 3 and 8).
	Enabled bool
	// Local and Remote are the socket pair: unicast addresses of one family.
	Local, Remote netip.AddrPort
	// Path is the state machine's configuration. Sizes are bytes of user data
	// plus surplus area: an IP packet less IP and UDP header. Zero fields:
	//
	//	Min   40 over IPv4 (a packet of 68 bytes), 1232 over IPv6 (1280). It is
	//	      what remains to be used where the peer knows no UDP Options, so an
	//	      application that can't live with it names more.
	//	Base  1200, over IPv6 1232; Max if that is less.
	//	Max   1472 or 1452, for an MTU of 1500.
	//
	// Overhead, Header and Layer are set here and have to be zero.
	Path plpmtud.Config
	// Random is what tokens are drawn from: crypto/rand.Reader.
	Random io.Reader
	// Respond says how fast REQs are answered. Enabled and Pairs in it have no
	// meaning here.
	Respond ResponderConfig
	// MDS, if not zero, is sent along with each REQ and RES: the largest datagram
	// this end takes, as an IP MTU less IP and UDP headers (RFC 9868 section 11.5).
	MDS uint16
}

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

// New returns an Engine that has not been started. The error is a *ConfigError
// or a *plpmtud.ConfigError, and names the field.
func New(c Config) (*Engine, error) {
	// A zone says where a packet leaves, and is not in it.
	local, remote := c.Local.Addr().Unmap().WithZone(""), c.Remote.Addr().Unmap().WithZone("")
	c.Local = netip.AddrPortFrom(local, c.Local.Port())
	c.Remote = netip.AddrPortFrom(remote, c.Remote.Port())
	switch {
	case !local.IsValid() || local.IsUnspecified() || local.IsMulticast():
		return nil, &ConfigError{"Local", c.Local, "a unicast address and port"}
	case !remote.IsValid() || remote.IsUnspecified() || remote.IsMulticast():
		return nil, &ConfigError{"Remote", c.Remote, "a unicast address and port (RFC 9869 section 1)"}
	case local.Is4() != remote.Is4():
		return nil, &ConfigError{"Remote", c.Remote, "an address of the family of Local"}
	case c.Remote.Port() == 0:
		return nil, &ConfigError{"Remote", c.Remote, "a port other than 0"}
	case c.Path.Overhead != 0:
		return nil, &ConfigError{"Path.Overhead", c.Path.Overhead, "0: it follows from the family"}
	case c.Path.Header != 0:
		return nil, &ConfigError{"Path.Header", c.Path.Header, "0: UDP Options are optional in each datagram"}
	case c.Path.Layer != plpmtud.Acknowledged:
		return nil, &ConfigError{"Path.Layer", c.Path.Layer, "its zero value: UDP is always unacknowledged"}
	case c.Enabled && c.Random == nil:
		return nil, &ConfigError{"Random", nil, "a source of randomness, such as crypto/rand.Reader"}
	}
	var err error
	if c.Respond, err = c.Respond.normalise("Respond."); err != nil {
		return nil, err
	}
	e := &Engine{config: c, tokens: NewTokens(c.Random), overhead: overhead4}
	least, base := min4, plpmtud.DefaultBase
	if local.Is6() {
		e.overhead, least, base = overhead6, min6, min6
	}
	p := c.Path
	p.Overhead, p.Layer = e.overhead, plpmtud.Unacknowledged
	if p.Max == 0 {
		p.Max = 1500 - e.overhead
	}
	if p.Min == 0 {
		p.Min = min(least, p.Max)
		if p.Base != 0 {
			p.Min = min(p.Min, p.Base)
		}
	}
	if p.Base == 0 {
		p.Base = max(min(base, p.Max), p.Min)
	}
	if p.Min < smallest {
		return nil, &ConfigError{"Path.Min", p.Min, fmt.Sprintf("at least %d bytes, which a probe needs", smallest)}
	}
	e.localMax, e.base = p.Max, p.Base
	if e.path, err = plpmtud.New(p); err != nil {
		return nil, err
	}
	return e, nil
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
