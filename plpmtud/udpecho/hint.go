package udpecho

import (
	"net/netip"
	"time"

	"pathmtu/plpmtud"
)

// Hint tells of a path MTU to a peer that somebody else claims, such as the
// Minimum Path MTU option (RFC 9268) on a datagram of the application; see
// [plpmtud.Hint] for what the caller must have checked. ICMP messages need not
// be told: the Conn reads them itself. It returns false, and nothing has
// happened, if the peer has not answered yet, so that there is nothing that
// could prove the claim: tell it again later.
func (c *Conn) Hint(to netip.AddrPort, h plpmtud.Hint) bool {
	c.mu.Lock()
	known := c.engine.hint(time.Now(), key(to), h)
	c.mu.Unlock()
	c.kick()
	return known
}

// hint hands a hint to the state machine of a peer, if it runs.
func (e *engine) hint(now time.Time, to netip.AddrPort, h plpmtud.Hint) bool {
	p := e.peers[to]
	if p == nil || p.stage != running {
		return false
	}
	p.path.Hint(now, h)
	e.after(now, p)
	return true
}
