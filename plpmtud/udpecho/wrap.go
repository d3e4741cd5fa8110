package udpecho

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"pathmtu/plpmtud/udpsock"
)

// Datagrams remembered for what ICMP messages quote: probes apart, so that
// the application's can't crowd them out.
const (
	probesRemembered = 64
	dataRemembered   = 256
	// dataRememberedAbove is the least UDP payload that may be too big for any
	// path, in bytes.
	dataRememberedAbove = DefaultMin4 - 28
)

// Conn is a packet connection whose datagrams pass unchanged, while it
// discovers the path MTU to each peer that the application sends to. It
// implements net.PacketConn, and, if what it wraps is a connected UDP socket,
// net.Conn. It is safe for concurrent use.
type Conn struct {
	pc     net.PacketConn
	udp    *net.UDPConn // nil: pc is something else
	remote netip.AddrPort
	sender *udpsock.Sender
	queue  *udpsock.ErrorQueue // nil: this system has none
	hops   *udpsock.Hops
	src    netip.Addr
	probes *udpsock.Ring
	data   *udpsock.Ring
	cfg    Config
	codec  *codec

	mu     sync.Mutex // whoever holds it reads the clock, so that time does not go back
	engine *engine

	wake      chan struct{}
	done      chan struct{}
	wg        sync.WaitGroup
	closeOnce sync.Once
	closeErr  error
}

// Wrap starts path MTU discovery on a packet connection, which belongs to the
// Conn from then on: the caller uses and closes only the Conn. If Wrap fails, the
// connection remains the caller's; the error names the field of cfg that is out
// of range, or says why datagrams might be fragmented.
//
// Datagrams must not be fragmented (RFC 8899 section 3, item 2). Wrap sees to
// that if c is a *net.UDPConn, or gives access to its socket as a syscall.Conn;
// otherwise it fails, unless Config.Unfragmented vouches for c. From then on,
// a datagram that exceeds the MTU of the interface is refused, and one that
// exceeds the path MTU is lost: MaxPayload says how much is safe.
func Wrap(c net.PacketConn, cfg Config) (*Conn, error) {
	cfg, err := cfg.normalise()
	if err != nil {
		return nil, err
	}
	w := &Conn{
		pc: c, cfg: cfg, wake: make(chan struct{}, 1), done: make(chan struct{}),
		probes: udpsock.NewRing(probesRemembered), data: udpsock.NewRing(dataRemembered),
	}
	if w.udp, _ = c.(*net.UDPConn); w.udp != nil {
		w.sender = udpsock.NewSender(w.udp)
		w.remote = addrPort(w.udp.RemoteAddr())
		w.src = addrPort(w.udp.LocalAddr()).Addr()
	}
	df, err := w.prepare()
	if err != nil {
		return nil, err
	}
	mayProbe := func(a netip.Addr) bool { return cfg.Unfragmented || df.MayProbe(a) }
	w.engine = newEngine(cfg, randomToken, maphash.MakeSeed(), mayProbe)
	w.codec = w.engine.codec
	w.wg.Go(w.run)
	return w, nil
}

// prepare sets the socket up, if there is one.
func (c *Conn) prepare() (udpsock.DF, error) {
	sc, ok := c.pc.(syscall.Conn)
	if !ok {
		if !c.cfg.Unfragmented {
			return udpsock.DF{}, fmt.Errorf("udpecho: %T gives no access to its socket to switch fragmentation off; set Config.Unfragmented if its datagrams are never fragmented", c.pc)
		}
		return udpsock.DF{}, nil
	}
	df, err := udpsock.SetDF(sc)
	if err != nil && df.IPv4 != udpsock.DFConfirmed && df.IPv6 != udpsock.DFConfirmed && !c.cfg.Unfragmented {
		return df, fmt.Errorf("udpecho: datagrams may be fragmented: %w", err)
	}
	if c.udp == nil {
		return df, nil
	}
	c.queue, err = udpsock.NewErrorQueue(sc, udpsock.QueueConfig{Match: c.match})
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return df, err
	}
	if c.hops, err = udpsock.OpenHops(); err != nil {
		return df, err
	}
	return df, nil
}

func randomToken() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint64(b[:])
}

// addrPort returns the address of a UDP endpoint; the zero AddrPort if it is
// something else.
func addrPort(a net.Addr) netip.AddrPort {
	u, ok := a.(*net.UDPAddr)
	if !ok || u == nil {
		return netip.AddrPort{}
	}
	return key(u.AddrPort())
}
