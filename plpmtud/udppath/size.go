package udppath

import (
	"fmt"

	"pathmtu/plpmtud/udpsock"
)

// maxPacket is the largest IP packet without a jumbo payload, in bytes.
const maxPacket = 65535

// Overhead is Config.Overhead of plpmtud: the IP and UDP headers below a UDP
// payload, 28 or 48 bytes.
func (c *Conn) Overhead() int { return udpsock.FamilyOf(c.peer.Addr()).Overhead() }

// Max is Config.Max of plpmtud: the largest UDP payload that the interface of
// the first hop carries, in bytes (RFC 8899 section 3, item 5). It looks the
// route up each time, and sends nothing. The error says that there is no route
// to the peer.
func (c *Conn) Max() (int, error) {
	mtu, err := c.firstHop()
	if err != nil {
		return 0, err
	}
	return mtu - c.Overhead(), nil
}

// MaxBelow is what Path.SetMax of plpmtud wants to know after a datagram of n
// bytes of UDP payload was too long: Max, but less than n. It is n-1 if there is
// no route at the moment.
func (c *Conn) MaxBelow(n int) int {
	most, err := c.Max()
	if err != nil {
		return n - 1
	}
	return min(most, n-1)
}

// firstHop returns the MTU of the first hop, in bytes of IP packet.
func (c *Conn) firstHop() (int, error) {
	hop, err := c.hops.To(c.peer.Addr(), c.src)
	if err != nil {
		return 0, fmt.Errorf("udppath: %w", err)
	}
	return min(hop.MTU, maxPacket), nil
}
