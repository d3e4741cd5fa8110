package udpecho

import (
	"fmt"
	"net/netip"
	"time"

	"pathmtu/plpmtud"
	"pathmtu/plpmtud/udpsock"
)

// Defaults of Config.
const (
	DefaultMaxPeers  = 1024             // Config.MaxPeers
	DefaultAnswers   = 256              // Config.AnswersPerSecond
	DefaultIdleAfter = 30 * time.Second // Config.IdleAfter
	// DefaultMin4 and DefaultBase4 are IP packet sizes for IPv4; over IPv6 both
	// are 1280. 576 is what every IPv4 host must accept (RFC 1122).
	DefaultMin4  = 576
	DefaultBase4 = 1228
)

// keyLen is the least length of a key, in bytes.
const keyLen = 16

// Config says how a Conn discovers path MTUs. The zero value of each field
// chooses the documented default. Sizes are of whole IP packets, in bytes.
type Config struct {
	// Key authenticates probes and their answers; both ends need the same, at
	// least 16 bytes. Nil: a key that everybody knows, which still tells probes
	// from the application's datagrams, and keeps attackers who don't see the
	// probes from answering them.
	Key []byte
	// Min is MIN_PLPMTU. Zero: 576 over IPv4. At least 68; over IPv6 always at
	// least 1280.
	Min int
	// Base is BASE_PLPMTU, which is also assumed of peers that did not answer.
	// Zero: 1228 over IPv4. At least Min; over IPv6 always at least 1280.
	Base int
	// Max bounds MAX_PLPMTU. Zero: no bound but the MTU of the first hop, or
	// 1500 where that is not known. At least Base.
	Max int
	// MaxProbes, ProbeTimeout, ProbeInterval, RaiseInterval and ConfirmInterval
	// are those of plpmtud.Config.
	MaxProbes                                                   int
	ProbeTimeout, ProbeInterval, RaiseInterval, ConfirmInterval time.Duration
	// Search chooses probe sizes. Nil: the optimal search.
	Search plpmtud.Search
	// IdleAfter is how long after the application's last datagram to a peer the
	// layer goes on to probe that peer (RFC 8899 section 4.3). Zero: 30 s.
	IdleAfter time.Duration
	// AppAcks says that the application knows what became of its datagrams and
	// reports it with Conn.Delivered and Conn.Undelivered. Then the path is not
	// confirmed by probes (RFC 8899 section 5.1.1), and ConfirmInterval must be
	// zero.
	AppAcks bool
	// MaxPeers bounds the peers whose path is known; the one that was sent to
	// least recently is forgotten. Zero: 1024.
	MaxPeers int
	// AnswersPerSecond bounds the answers to others' probes. Zero: 256. A
	// single source gets at most 10 a second.
	AnswersPerSecond int
	// Unfragmented says that no datagram is ever fragmented, for connections of
	// which Wrap can't make sure: those that are no sockets.
	Unfragmented bool
	// OnChange is told when MaxPayload of a peer changes; of several changes
	// in a row, perhaps only of the last one. It is called from a goroutine of
	// the Conn and holds up probing while it runs. It may call the Conn's
	// methods, except Close. Nil: none.
	OnChange func(Change)
	// Trace observes the events of each path. It is called with a lock held:
	// it must not call the Conn. Nil: none.
	Trace func(peer netip.AddrPort, e plpmtud.Event)
}

// Change says that MaxPayload of a peer changed.
type Change struct {
	Peer     netip.AddrPort
	Old, New int           // largest UDP payload, in bytes
	State    plpmtud.State // DISABLED: the peer does not answer
	Cause    plpmtud.Cause // of the last change of the PLPMTU
}

func (c Config) normalise() (Config, error) {
	bad := func(field string, value any, want string) (Config, error) {
		return Config{}, &plpmtud.ConfigError{Field: field, Value: value, Want: want}
	}
	if c.Key != nil && len(c.Key) < keyLen {
		return bad("Key", fmt.Sprintf("%d bytes long", len(c.Key)), fmt.Sprintf("at least %d bytes, or nil", keyLen))
	}
	if c.Min != 0 && (c.Min < 68 || c.Min > 65535) {
		return bad("Min", c.Min, "68 to 65535 bytes")
	}
	if c.Base != 0 && (c.Base < max(c.Min, 68) || c.Base > 65535) {
		return bad("Base", c.Base, fmt.Sprintf("%d to 65535 bytes", max(c.Min, 68)))
	}
	if c.Max != 0 && (c.Max < max(c.Base, c.Min, 68) || c.Max > 65535) {
		return bad("Max", c.Max, fmt.Sprintf("%d to 65535 bytes", max(c.Base, c.Min, 68)))
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{{"ProbeTimeout", c.ProbeTimeout}, {"IdleAfter", c.IdleAfter}} {
		if d.value < 0 {
			return bad(d.field, d.value, "at least 0")
		}
	}
	if c.IdleAfter == 0 {
		c.IdleAfter = DefaultIdleAfter
	}
	if c.MaxProbes == 0 {
		c.MaxProbes = plpmtud.DefaultMaxProbes
	}
	if c.ProbeTimeout == 0 {
		c.ProbeTimeout = plpmtud.DefaultProbeTimeout
	}
	if c.RaiseInterval == 0 {
		c.RaiseInterval = plpmtud.DefaultRaiseInterval
	}
	if c.MaxPeers == 0 {
		c.MaxPeers = DefaultMaxPeers
	}
	if c.MaxPeers < 1 {
		return bad("MaxPeers", c.MaxPeers, "at least 1")
	}
	if c.AnswersPerSecond == 0 {
		c.AnswersPerSecond = DefaultAnswers
	}
	if c.AnswersPerSecond < 1 {
		return bad("AnswersPerSecond", c.AnswersPerSecond, "at least 1")
	}
	if c.AppAcks && c.ProbeTimeout < plpmtud.MinProbeTimeout {
		return bad("ProbeTimeout", c.ProbeTimeout, "at least 1s (RFC 8899 section 5.1.1)")
	}
	for _, f := range []udpsock.Family{udpsock.IPv4, udpsock.IPv6} {
		if _, err := plpmtud.New(c.path(f, 0)); err != nil {
			return Config{}, err
		}
	}
	return c, nil
}

// limits returns MIN, BASE and MAX_PLPMTU of a family as UDP payloads; hop is
// the first hop's MTU, 0 if it is not known.
func (c Config) limits(f udpsock.Family, hop int) (least, base, most int) {
	least, base, most = c.Min, c.Base, c.Max
	if f == udpsock.IPv4 {
		if least == 0 {
			least = DefaultMin4
			if base != 0 {
				least = min(least, base)
			}
		}
		if base == 0 {
			base = max(least, DefaultBase4)
		}
	} else {
		least = max(least, udpsock.IPv6.MinMTU())
		base = max(base, least)
	}
	if most == 0 {
		most = 65535
		if hop == 0 {
			most = max(1500, base)
		}
	}
	if hop != 0 {
		most = min(most, hop)
	}
	o := f.Overhead()
	most = max(min(most, 65535)-o, headerLen)
	return min(least-o, most), min(base-o, most), most
}

// path returns the configuration of the state machine.
func (c Config) path(f udpsock.Family, hop int) plpmtud.Config {
	p := plpmtud.Config{
		Overhead: f.Overhead(), MaxProbes: c.MaxProbes, ProbeInterval: c.ProbeInterval,
		RaiseInterval: c.RaiseInterval, ConfirmInterval: c.ConfirmInterval, Search: c.Search,
		Layer: plpmtud.Acknowledged,
	}
	p.Min, p.Base, p.Max = c.limits(f, hop)
	if !c.AppAcks {
		p.Layer, p.ProbeTimeout = plpmtud.Unacknowledged, c.ProbeTimeout
	}
	return p
}
