package truncate

import (
	"fmt"
	"time"
)

// PeerConfig configures a Peer. Zero fields are the defaults stated.
type PeerConfig struct {
	Trials       int           // packets that try out the option before giving up; default 3
	TrialTimeout time.Duration // to wait for the answer to one; default 3 s
	Keep         time.Duration // how long any finding lasts; default 10 minutes
	// Trust marks packets before the path was tried out.
	Trust bool
}

// Peer is what a source knows about one destination: whether marking packets to
// it makes sense. Before it is used, a path has to be tried out: many drop
// Destination Options headers or ICMPv6 errors. It reads no clock and does not
// lock.
type Peer struct {
	cfg    PeerConfig
	state  PeerState
	sent   int
	next   time.Time // when the next trial is due
	expiry time.Time // of what state says
}

// PeerState is a finding about a destination.
type PeerState uint8

// States.
const (
	Untried PeerState = iota
	Aware             // it answered a truncated packet with a Packet Too Big
	Unaware           // it answered with a Parameter Problem: Destination Options and ICMPv6 pass, the option is not known
	Mute              // no answer: the path drops the one or the other
)

func (s PeerState) String() string {
	switch s {
	case Aware:
		return "aware"
	case Unaware:
		return "unaware"
	case Mute:
		return "mute"
	}
	return "untried"
}

// NewPeer checks the configuration: the error names the field that is negative.
func NewPeer(cfg PeerConfig) (*Peer, error) {
	switch {
	case cfg.Trials < 0:
		return nil, fmt.Errorf("truncate: PeerConfig.Trials %d: want 0 or more", cfg.Trials)
	case cfg.TrialTimeout < 0:
		return nil, fmt.Errorf("truncate: PeerConfig.TrialTimeout %v: want 0 or more", cfg.TrialTimeout)
	case cfg.Keep < 0:
		return nil, fmt.Errorf("truncate: PeerConfig.Keep %v: want 0 or more", cfg.Keep)
	}
	if cfg.Trials == 0 {
		cfg.Trials = 3
	}
	if cfg.TrialTimeout == 0 {
		cfg.TrialTimeout = 3 * time.Second
	}
	if cfg.Keep == 0 {
		cfg.Keep = 10 * time.Minute
	}
	return &Peer{cfg: cfg}, nil
}

// State is the present finding.
func (p *Peer) State(now time.Time) PeerState {
	p.age(now)
	return p.state
}

// MayMark reports whether packets to the destination should be marked.
func (p *Peer) MayMark(now time.Time) bool {
	p.age(now)
	return p.state == Aware || p.state == Untried && p.cfg.Trust
}

// Poll reports whether a trial packet (Source.AppendTrial) should be sent now,
// and counts it as sent.
func (p *Peer) Poll(now time.Time) bool {
	p.age(now)
	if p.state != Untried || now.Before(p.next) {
		return false
	}
	if p.sent >= p.cfg.Trials {
		p.find(now, Mute)
		return false
	}
	p.sent++
	p.next = now.Add(p.cfg.TrialTimeout)
	return true
}

// Next is when Poll changes something next, unless a notice comes first.
func (p *Peer) Next() time.Time {
	if p.state == Untried {
		return p.next
	}
	return p.expiry
}

// Notice takes a genuine notice (Accepted or NotSmaller) from this destination
// or about a packet to it.
func (p *Peer) Notice(now time.Time, n Notice) {
	switch {
	case n.Origin != FromDestination:
	case n.Unaware:
		p.find(now, Unaware)
	default:
		p.find(now, Aware)
	}
}

func (p *Peer) find(now time.Time, s PeerState) {
	p.state, p.expiry = s, now.Add(p.cfg.Keep)
	p.sent, p.next = 0, time.Time{}
}

func (p *Peer) age(now time.Time) {
	if p.state != Untried && !now.Before(p.expiry) {
		p.state, p.next = Untried, now
	}
}
