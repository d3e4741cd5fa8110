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
	// Random is what tokens are drawn from: crypto/rand.Reader. Required if
	// Enabled.
	Random io.Reader
	// Respond says how fast REQs are answered. Enabled and Pairs in it have no
	// meaning here.
	Respond ResponderConfig
	// MDS, if not zero, is sent along with each REQ and RES: the largest datagram
	// this end takes, as an IP MTU less IP and UDP headers (RFC 9868 section 11.5).
	MDS uint16
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
