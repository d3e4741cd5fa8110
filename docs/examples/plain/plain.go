// Package plain is the shortest embedding: a UDP application puts udpecho
// around its socket, and asks it how much fits.
//
//	app.Write(p) ──► Conn ──► udpecho.Conn ──► UDP socket
//	        MaxPayload ──────►│ probes and answers beside the datagrams
package plain

import (
	"net"
	"net/netip"
	"sync/atomic"

	"pathmtu/plpmtud/udpecho"
)

// Conn exchanges datagrams with one peer.
type Conn struct {
	*udpecho.Conn
	peer atomic.Value // netip.AddrPort
}

// New puts path MTU discovery around an unconnected socket. The zero AddrPort
// stands for the first peer that sends something.
func New(u *net.UDPConn, peer netip.AddrPort, cfg udpecho.Config) (*Conn, error) {
	layer, err := udpecho.Wrap(u, cfg)
	if err != nil {
		return nil, err
	}
	c := &Conn{Conn: layer}
	c.peer.Store(peer)
	return c, nil
}

// Peer returns the peer, the zero AddrPort if none is known.
func (c *Conn) Peer() netip.AddrPort { return c.peer.Load().(netip.AddrPort) }

// MaxPayload returns how many bytes fit into one datagram now.
func (c *Conn) MaxPayload() int { return c.Conn.MaxPayload(c.Peer()) }

// Write sends a datagram to the peer.
func (c *Conn) Write(p []byte) (int, error) { return c.WriteToUDPAddrPort(p, c.Peer()) }

// Read returns the next datagram of the peer.
func (c *Conn) Read(p []byte) (int, error) {
	for {
		n, from, err := c.ReadFromUDPAddrPort(p)
		if err != nil {
			return n, err
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if c.peer.CompareAndSwap(netip.AddrPort{}, from) || from == c.Peer() {
			return n, nil
		}
	}
}
