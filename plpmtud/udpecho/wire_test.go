package udpecho

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// wire joins two packet connections in memory, by a path that carries so many
// bytes of IPv6 packet and takes some time. Larger datagrams vanish.
type wire struct {
	mu    sync.Mutex
	mtu   int
	delay time.Duration
	lost  int
}

func (w *wire) setMTU(mtu int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mtu = mtu
}

type wireDatagram struct {
	b    []byte
	from *net.UDPAddr
}

type wireConn struct {
	wire   *wire
	local  *net.UDPAddr
	peer   *wireConn
	in     chan wireDatagram
	closed chan struct{}
	once   sync.Once

	mu       sync.Mutex
	deadline time.Time
}

func newWire(mtu int) (*wire, *wireConn, *wireConn) {
	w := &wire{mtu: mtu, delay: 20 * time.Millisecond}
	end := func(addr string) *wireConn {
		return &wireConn{
			wire: w, local: net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr)),
			in: make(chan wireDatagram, 1000), closed: make(chan struct{}),
		}
	}
	a, b := end("[2001:db8::a]:1"), end("[2001:db8::b]:2")
	a.peer, b.peer = b, a
	return w, a, b
}

func (c *wireConn) WriteTo(p []byte, addr net.Addr) (int, error) {
	select {
	case <-c.closed:
		return 0, net.ErrClosed
	default:
	}
	c.wire.mu.Lock()
	defer c.wire.mu.Unlock()
	if addr.String() != c.peer.local.String() || len(p)+48 > c.wire.mtu {
		c.wire.lost++
		return len(p), nil
	}
	d := wireDatagram{b: append([]byte(nil), p...), from: c.local}
	time.AfterFunc(c.wire.delay, func() {
		select {
		case c.peer.in <- d:
		default:
		}
	})
	return len(p), nil
}

func (c *wireConn) ReadFrom(p []byte) (int, net.Addr, error) {
	c.mu.Lock()
	deadline := c.deadline
	c.mu.Unlock()
	var expired <-chan time.Time
	if !deadline.IsZero() {
		expired = time.After(time.Until(deadline))
	}
	select {
	case d := <-c.in:
		return copy(p, d.b), d.from, nil
	case <-c.closed:
		return 0, nil, net.ErrClosed
	case <-expired:
		return 0, nil, os.ErrDeadlineExceeded
	}
}

func (c *wireConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

func (c *wireConn) LocalAddr() net.Addr                { return c.local }
func (c *wireConn) SetDeadline(t time.Time) error      { return c.SetReadDeadline(t) }
func (c *wireConn) SetWriteDeadline(t time.Time) error { return nil }
func (c *wireConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	return nil
}
