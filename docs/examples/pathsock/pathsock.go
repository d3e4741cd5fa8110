// Package pathsock is a UDP socket made fit for path MTU discovery: nothing is
// fragmented, an ICMP message about an earlier datagram does not end the read
// loop, and what such a message says about size comes out as a hint that was
// checked against what was sent.
package pathsock

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"pathmtu/plpmtud"
	"pathmtu/plpmtud/udpsock"
)

// Conn is a net.PacketConn that talks to one peer. It is safe for concurrent
// use.
type Conn struct {
	*net.UDPConn
	peer  netip.AddrPort
	hops  *udpsock.Hops
	sent  *udpsock.Ring
	queue *udpsock.ErrorQueue // nil: this system has none
	alone *udpsock.Sender

	mu    sync.Mutex
	hints []plpmtud.Hint
}

// maxHints bounds the hints that wait to be fetched; the newest are kept.
const maxHints = 8

// New prepares an unconnected socket, which belongs to the Conn from then on,
// to talk to a peer. It fails if datagrams to the peer might be fragmented.
func New(u *net.UDPConn, peer netip.AddrPort) (*Conn, error) {
	df, err := udpsock.SetDF(u)
	if !df.MayProbe(peer.Addr()) {
		return nil, fmt.Errorf("pathsock: datagrams to %v: %v: %w", peer, df, err)
	}
	c := &Conn{UDPConn: u, peer: peer, sent: udpsock.NewRing(256), alone: udpsock.NewSender(u)}
	if c.hops, err = udpsock.OpenHops(); err != nil {
		return nil, err
	}
	c.queue, _ = udpsock.NewErrorQueue(u, udpsock.QueueConfig{Match: c.sent.Match})
	return c, nil
}

// Close closes the socket.
func (c *Conn) Close() error {
	_ = c.hops.Close()
	return c.UDPConn.Close()
}

// Peer returns the peer's address.
func (c *Conn) Peer() netip.AddrPort { return c.peer }

// Overhead is Config.Overhead of plpmtud: the headers below a UDP payload, in
// bytes.
func (c *Conn) Overhead() int { return udpsock.FamilyOf(c.peer.Addr()).Overhead() }

// Max is Config.Max of plpmtud, and what SetMax wants to know after a datagram
// was too long for the interface: its MTU less Overhead, in bytes, or what
// Ethernet carries where the interface is not known.
func (c *Conn) Max() int {
	hop, err := c.hops.To(c.peer.Addr(), netip.Addr{})
	if err != nil {
		return 1500 - c.Overhead()
	}
	return min(hop.MTU, 65535) - c.Overhead()
}

// ReadFrom implements net.PacketConn.
func (c *Conn) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.UDPConn.ReadFrom(p)
		if err == nil || !udpsock.IsPending(err) {
			return n, from, err
		}
		c.readErrors()
	}
}

// WriteTo implements net.PacketConn. An error for which
// udpsock.IsMessageTooLong holds means that the datagram exceeds the MTU of
// the interface.
func (c *Conn) WriteTo(p []byte, _ net.Addr) (int, error) {
	now := time.Now()
	c.sent.Add(now, udpsock.Sent{Dst: c.peer, Size: len(p) + c.Overhead()}, p)
	if err := c.alone.SendAlone(p, c.peer); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (c *Conn) readErrors() {
	if c.queue == nil {
		return
	}
	_ = c.queue.Read(time.Now(), func(n udpsock.Notice) {
		if n.Kind != udpsock.TooBig {
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.hints) == maxHints {
			c.hints = c.hints[1:]
		}
		c.hints = append(c.hints, plpmtud.Hint{Source: plpmtud.PacketTooBig, MTU: n.MTU})
	})
}

// Hints returns, once, what ICMP messages about datagrams of this Conn said.
func (c *Conn) Hints() []plpmtud.Hint {
	c.readErrors()
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.hints
	c.hints = nil
	return h
}
