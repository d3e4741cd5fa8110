package udpecho

import (
	"net/netip"
	"time"

	"pathmtu/plpmtud"
	"pathmtu/plpmtud/udpsock"
)

// stage is how far the conversation with a peer has come.
type stage uint8

const (
	greeting stage = iota // header-only probes ask whether the peer has this layer
	looking               // it has; the first hop's MTU is to be looked up
	running               // the state machine runs
	mute                  // datagrams to the peer may be fragmented: never probe
)

// keptTokens is how many probes' tokens are remembered for late answers.
const keptTokens = 8

// Peers that don't answer are greeted again after pauses that double.
const (
	firstPause = time.Minute
	lastPause  = 10 * time.Minute
)

// sentToken is a probe in the network.
type sentToken struct {
	token uint64
	id    plpmtud.ProbeID // 0: a greeting
	size  int             // UDP payload
}

// peer is what is known of the path to one address.
type peer struct {
	addr   netip.AddrPort
	family udpsock.Family
	path   *plpmtud.Path // nil before the first answer
	stage  stage

	tokens [keptTokens]sentToken
	next   int // slot of tokens

	greetAt time.Time     // greeting: when
	greeted int           // greetings without an answer
	pause   time.Duration // after the next MaxProbes of them

	flying plpmtud.ProbeID // AppAcks: the probe whose loss is declared at lostAt
	lostAt time.Time

	used    time.Time // last application datagram
	hop     int       // largest UDP payload that the first hop takes, 0: not known
	reader  int       // largest UDP payload that the peer's application reads at once, 0: no limit seen
	lookAt  time.Time // running: when to look the first hop up again
	assumed int       // MaxPayload while nothing is confirmed

	told   int // MaxPayload as OnChange knows it
	cause  plpmtud.Cause
	queued bool // in engine.changed
}

// maxPayload is what an application may send now.
func (p *peer) maxPayload() int {
	n := p.assumed
	if p.stage == running && p.path.State() != plpmtud.Base {
		n = p.path.MPS()
	}
	if p.hop != 0 {
		n = min(n, p.hop)
	}
	return n
}

func (p *peer) state() plpmtud.State {
	if p.stage != running {
		return plpmtud.Disabled
	}
	return p.path.State()
}

// silent says that the peer has not answered a round of greetings.
func (p *peer) silent(maxProbes int) bool { return p.stage == greeting && p.greeted >= maxProbes }

// remember keeps a token; the oldest is forgotten.
func (p *peer) remember(s sentToken) {
	p.tokens[p.next] = s
	p.next = (p.next + 1) % keptTokens
}

// find returns the probe of a token, nil if there is none.
func (p *peer) find(token uint64) *sentToken {
	for i := range p.tokens {
		if s := &p.tokens[i]; s.size != 0 && s.token == token {
			return s
		}
	}
	return nil
}

// applyMax tells the state machine what is certain about MAX_PLPMTU.
func (p *peer) applyMax(now time.Time) {
	if p.stage != running || p.hop == 0 {
		return
	}
	m := p.hop
	if p.reader != 0 {
		m = min(m, p.reader)
	}
	p.path.SetMax(now, m)
}

// settle follows the state machine after something happened to it.
func (p *peer) settle(now time.Time, least, base int) {
	if p.stage != running {
		return
	}
	switch p.path.State() {
	case plpmtud.Disabled:
		// Not even MIN_PLPMTU passes: the peer is gone, or not reachable.
		p.stage = greeting
		p.greetAt, p.greeted, p.pause = now, 0, firstPause
		p.assumed = min(least, p.assumed)
	case plpmtud.Error:
		p.assumed = least
	case plpmtud.Searching, plpmtud.SearchComplete:
		p.assumed = base
	}
}
