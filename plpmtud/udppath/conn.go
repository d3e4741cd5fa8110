package udppath

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"pathmtu/plpmtud"
	"pathmtu/plpmtud/udpsock"
)

// Conn exchanges datagrams with one peer. It is a net.Conn and a
// net.PacketConn, and safe for concurrent use.
type Conn struct {
	udp   *net.UDPConn
	recv  func([]byte) (int, netip.AddrPort, error) // of udp
	peer  netip.AddrPort
	src   netip.Addr // what the socket is bound to; the zero Addr: any
	hops  *udpsock.Hops
	sent  *udpsock.Ring
	queue *udpsock.ErrorQueue // nil: this system has none
	alone *udpsock.Sender

	pending, strangers atomic.Uint64

	mu    sync.Mutex
	hints []plpmtud.Hint
}

var (
	_ net.Conn       = (*Conn)(nil)
	_ net.PacketConn = (*Conn)(nil)
)

// Config says how a Conn validates ICMP messages. The zero value is sensible.
type Config struct {
	// Remember is how many of the datagrams sent last an ICMP message may be
	// about: as many as are sent in a round trip, or more. Zero: 256.
	Remember int
	// PortsOnly also believes messages that quote no payload, as many IPv4
	// routers send them. Who knows addresses and ports can forge those.
	PortsOnly bool
}

const defaultRemember = 256

// New prepares a UDP socket, which is not connected, to talk to a peer. If it
// succeeds, the socket belongs to the Conn, and Close of the Conn closes it. If
// it fails, the socket remains the caller's, to close as well; its options may
// have changed.
//
// It fails if datagrams to the peer might be fragmented on their way (RFC 8899
// section 3, item 2); on a system that can't promise otherwise,
// errors.Is(err, errors.ErrUnsupported) holds. That a system has no error queue
// is no error: Stats tells.
func New(u *net.UDPConn, peer netip.AddrPort, cfg Config) (*Conn, error) {
	peer = netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
	switch {
	case u.RemoteAddr() != nil:
		return nil, fmt.Errorf("udppath: the socket is connected to %v, want one that is not", u.RemoteAddr())
	case !peer.Addr().IsValid() || peer.Addr().IsUnspecified() || peer.Port() == 0:
		return nil, fmt.Errorf("udppath: peer is %v, want an address and a port", peer)
	case cfg.Remember < 0:
		return nil, fmt.Errorf("udppath: Config.Remember is %d, want 0 or more", cfg.Remember)
	}
	if cfg.Remember == 0 {
		cfg.Remember = defaultRemember
	}
	// An error beside a good state is about the other family.
	if df, err := udpsock.SetDF(u); !df.MayProbe(peer.Addr()) {
		if err == nil {
			return nil, fmt.Errorf("udppath: datagrams to %v: %v", peer, df)
		}
		return nil, fmt.Errorf("udppath: datagrams to %v: %v: %w", peer, df, err)
	}
	c := &Conn{udp: u, recv: u.ReadFromUDPAddrPort, peer: peer, sent: udpsock.NewRing(cfg.Remember), alone: udpsock.NewSender(u)}
	if a, ok := u.LocalAddr().(*net.UDPAddr); ok {
		c.src = a.AddrPort().Addr().Unmap()
	}
	if c.src.Is4() != peer.Addr().Is4() {
		c.src = netip.Addr{} // a dual-stack socket, bound to no address
	}
	var err error
	if c.hops, err = udpsock.OpenHops(); err != nil {
		return nil, fmt.Errorf("udppath: %w", err)
	}
	c.queue, err = udpsock.NewErrorQueue(u, udpsock.QueueConfig{Match: c.sent.Match, PortsOnly: cfg.PortsOnly})
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return nil, fmt.Errorf("udppath: %w", errors.Join(err, c.hops.Close()))
	}
	return c, nil
}

// Close closes the socket. Reads and writes that wait return.
func (c *Conn) Close() error { return errors.Join(c.udp.Close(), c.hops.Close()) }

// Peer returns the peer's address; an IPv4 address is never IPv4-mapped.
func (c *Conn) Peer() netip.AddrPort { return c.peer }

// LocalAddr returns the socket's address.
func (c *Conn) LocalAddr() net.Addr { return c.udp.LocalAddr() }

// RemoteAddr returns the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return net.UDPAddrFromAddrPort(c.peer) }

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error { return c.udp.SetDeadline(t) }

// SetReadDeadline sets the deadline of reads.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.udp.SetReadDeadline(t) }

// SetWriteDeadline sets the deadline of writes.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.udp.SetWriteDeadline(t) }

// Stats counts what a Conn has kept from its caller.
type Stats struct {
	// ICMP says whether this system has an error queue. If not, there are no
	// hints, and ErrorQueue counts nothing.
	ICMP bool
	// ErrorQueue counts the ICMP messages by what became of them.
	ErrorQueue udpsock.QueueStats
	// Pending counts the reads that reported an ICMP message instead of a
	// datagram, and were repeated.
	Pending uint64
	// Strangers counts the datagrams that others than the peer sent: dropped.
	Strangers uint64
}

// Stats returns the counters.
func (c *Conn) Stats() Stats {
	s := Stats{ICMP: c.queue != nil, Pending: c.pending.Load(), Strangers: c.strangers.Load()}
	if s.ICMP {
		s.ErrorQueue = c.queue.Stats()
	}
	return s
}
