package udppath

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"pathmtu/plpmtud/udpsock"
)

// floodAttempts is how often a datagram that fits the interface is sent when
// the socket says that it is too long: somebody floods it with ICMP messages.
const floodAttempts = 8

// Write sends one datagram to the peer, alone and unfragmented. If
// udpsock.IsMessageTooLong holds for the error, the datagram exceeds the MTU of
// the first hop and was not sent: see MaxBelow. That a datagram exceeds the path
// MTU beyond the first hop is no error; it is lost.
func (c *Conn) Write(p []byte) (int, error) {
	size := len(p) + c.Overhead()
	c.sent.Add(time.Now(), udpsock.Sent{Dst: c.peer, Size: size}, p)
	var err error
	for range floodAttempts {
		if err = c.alone.SendAlone(p, c.peer); err == nil {
			return len(p), nil
		}
		if !udpsock.IsMessageTooLong(err) {
			break
		}
		if mtu, e := c.firstHop(); e != nil || size > mtu {
			break
		}
	}
	return 0, err
}

// WriteTo is Write for those who want a net.PacketConn. It fails, and sends
// nothing, if addr is not the address of the peer.
func (c *Conn) WriteTo(p []byte, addr net.Addr) (int, error) {
	u, ok := addr.(*net.UDPAddr)
	if !ok || u == nil || !c.isPeer(u.AddrPort()) {
		return 0, &net.OpError{
			Op: "write", Net: "udp", Source: c.LocalAddr(), Addr: addr,
			Err: fmt.Errorf("udppath: the peer is %v: another one needs a Conn of its own", c.peer),
		}
	}
	return c.Write(p)
}

// isPeer compares addresses. A zone has several names, and says no more about
// the peer than the interface that its datagrams come through.
func (c *Conn) isPeer(a netip.AddrPort) bool {
	return a.Port() == c.peer.Port() && a.Addr().Unmap().WithZone("") == c.peer.Addr().WithZone("")
}
