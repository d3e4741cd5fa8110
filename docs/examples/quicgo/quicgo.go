// Package quicgo gives an unmodified quic-go what it lacks of path MTU
// discovery: it notices that a path has shrunk, or grown, and acts on it.
//
//	quic.Conn ──► quic.Transport ──► Socket = udpecho.Conn ──► UDP socket
//	    ▲                               │ probes beside QUIC's packets
//	    └── migrate to a new socket ◄───┘ smaller, or larger than it was
//
// # What quic-go permits
//
// As of v0.65, quic-go searches once for each path, up to 1452 bytes of UDP
// payload. A packet connection below it sees sizes, but neither packet numbers
// nor acknowledgements, since they are encrypted; it can't make quic-go send a
// probe; and there is no way to set the packet size of a connection that
// stands. So plpmtud can't replace quic-go's search.
//
// What a connection can do is to migrate (RFC 9000 section 9): on a new path
// quic-go begins again, with InitialPacketSize, and searches again. That is what
// a Conn does when udpecho, which probes the same path on the same ports, finds
// that it has changed. Since a connection that is stuck validates no path, a
// spare one is validated beforehand. Only a client can migrate; the server
// begins again too, so that both directions recover if both have changed.
//
// # Cost
//
// A migration is a new local port, and slow start; old ports stay open until the
// connection ends, and the spare one waits. Both ends need udpecho on the port of
// QUIC; with a peer that has none nothing is noticed, and quic-go works as it does
// alone. Since a Socket is no *net.UDPConn, quic-go goes without segmentation
// offload and ECN.
package quicgo

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"

	"github.com/quic-go/quic-go"

	"pathmtu/plpmtud"
	"pathmtu/plpmtud/udpecho"
	"pathmtu/plpmtud/udpsock"
)

// maxPayload is the largest UDP payload that quic-go sends and receives.
const maxPayload = 1452

// noticeable is how much larger a path has to become before a migration pays:
// where quic-go's own search stops.
const noticeable = 20

// Socket is a packet connection for quic.Transport that knows the path MTU.
type Socket struct {
	*udpecho.Conn
	udp *net.UDPConn
}

// NewSocket puts udpecho around a socket. A server needs no more than to use it
// in its quic.Transport.
func NewSocket(u *net.UDPConn, family udpsock.Family, cfg udpecho.Config) (*Socket, error) {
	cfg.Max = maxPayload + family.Overhead()
	c, err := udpecho.Wrap(u, cfg)
	if err != nil {
		return nil, err
	}
	return &Socket{Conn: c, udp: u}, nil
}

// SyscallConn lets quic-go see that datagrams are not fragmented, without which
// it does not search.
func (s *Socket) SyscallConn() (syscall.RawConn, error) { return s.udp.SyscallConn() }

// SetReadBuffer and SetWriteBuffer are what quic-go asks of a socket.
func (s *Socket) SetReadBuffer(n int) error  { return s.udp.SetReadBuffer(n) }
func (s *Socket) SetWriteBuffer(n int) error { return s.udp.SetWriteBuffer(n) }

// Conn is a QUIC connection that migrates when its path MTU changes.
type Conn struct {
	*quic.Conn
	open   func(udpecho.Config) (*Socket, error)
	cfg    udpecho.Config
	change chan struct{}
	now    atomic.Pointer[path]
	moves  atomic.Int64
}

// path is what belongs to one local socket.
type path struct {
	socket    *Socket
	transport *quic.Transport
	settled   atomic.Bool // udpecho's first search is over; quic-go's runs beside it
}

// Dial connects to a peer. open makes the sockets, by NewSocket: one for now,
// and one for each migration. OnChange and Trace of cfg are not used.
func Dial(ctx context.Context, open func(udpecho.Config) (*Socket, error), peer netip.AddrPort, t *tls.Config, q *quic.Config, cfg udpecho.Config) (*Conn, error) {
	c := &Conn{open: open, cfg: cfg, change: make(chan struct{}, 1)}
	p, err := c.newPath()
	if err != nil {
		return nil, err
	}
	if c.Conn, err = p.transport.Dial(ctx, net.UDPAddrFromAddrPort(peer), t, q); err != nil {
		p.close()
		return nil, err
	}
	c.now.Store(p)
	go c.keep()
	return c, nil
}

func (c *Conn) newPath() (*path, error) {
	p := &path{}
	cfg := c.cfg
	cfg.Trace = func(_ netip.AddrPort, e plpmtud.Event) {
		if e.Kind == plpmtud.StateChange && e.To == plpmtud.SearchComplete {
			p.settled.Store(true)
		}
	}
	cfg.OnChange = func(ch udpecho.Change) {
		if c.now.Load() == p && p.settled.Load() && (ch.New < ch.Old || ch.New > ch.Old+noticeable) {
			select {
			case c.change <- struct{}{}:
			default:
			}
		}
	}
	var err error
	if p.socket, err = c.open(cfg); err != nil {
		return nil, err
	}
	p.transport = &quic.Transport{Conn: p.socket}
	return p, nil
}

func (p *path) close() {
	_ = p.transport.Close()
	_ = p.socket.Close()
}

// keep migrates whenever the path has changed, until the connection ends. A
// transport that the connection has left stays: to close it would end the
// connection.
func (c *Conn) keep() {
	paths := []*path{c.now.Load()}
	defer func() {
		for _, p := range paths {
			p.close()
		}
	}()
	for {
		spare, err := c.newPath()
		if err != nil {
			return // the connection goes on as it is
		}
		paths = append(paths, spare)
		onto, err := c.validate(spare)
		if err != nil {
			return
		}
		select {
		case <-c.Context().Done():
			return
		case <-c.change:
		}
		if err := onto.Switch(); err != nil {
			return
		}
		c.now.Store(spare)
		c.moves.Add(1)
	}
}

// validate makes sure that the peer is reached on another path, too.
func (c *Conn) validate(p *path) (*quic.Path, error) {
	other, err := c.AddPath(p.transport)
	if err != nil {
		return nil, err
	}
	return other, other.Probe(c.Context())
}

// Settled says whether udpecho has searched the path in use to the end. Changes
// are noticed from then on: one that comes while both searches run, in the first
// seconds of a path, is taken for a part of them.
func (c *Conn) Settled() bool { return c.now.Load().settled.Load() }

// Moves is how often the connection has migrated.
func (c *Conn) Moves() int { return int(c.moves.Load()) }
