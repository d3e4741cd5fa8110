package udpoptsock

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"pathmtu/plpmtud"
	"pathmtu/plpmtud/udpopt"
	"pathmtu/plpmtud/udpsock"
)

// maxPacket is the largest IP payload.
const maxPacket = 65535

// errorPause is how long a reader waits after an error that is not the end.
const errorPause = 10 * time.Millisecond

// Conn is a connected UDP socket with DPLPMTUD over UDP Options: a net.Conn. Its
// methods may be called concurrently.
type Conn struct {
	udp    *net.UDPConn
	raw    *rawConn // nil: DPLPMTUD is off, and this is a UDP socket
	icmp   *rawConn
	remote netip.AddrPort
	in     *queue
	wake   chan struct{}
	wg     sync.WaitGroup

	mu       sync.Mutex
	engine   *udpopt.Engine
	frags    *udpopt.Reassembler
	out      []byte
	sendErrs uint64
}

// Dial opens a socket pair. c.Local may be the zero value, or have port 0: the
// kernel chooses then. If c.Enabled is not set, the result is a plain UDP socket
// that needs no privilege.
//
// Where c.Path.Max is zero, it is the MTU of the first hop less headers, and so
// is c.MDS. The errors are a *PrivilegeError without CAP_NET_RAW, those of
// udpopt.New, and the system's.
func Dial(c udpopt.Config) (*Conn, error) {
	var local *net.UDPAddr
	if c.Local.Addr().IsValid() {
		local = net.UDPAddrFromAddrPort(c.Local)
	} else if c.Local.Port() != 0 {
		local = &net.UDPAddr{Port: int(c.Local.Port())}
	}
	if !c.Remote.Addr().IsValid() {
		return nil, &udpopt.ConfigError{Field: "Remote", Value: c.Remote, Want: "an address and a port"}
	}
	c.Remote = netip.AddrPortFrom(c.Remote.Addr().Unmap(), c.Remote.Port())
	udp, err := net.DialUDP("udp", local, net.UDPAddrFromAddrPort(c.Remote))
	if err != nil {
		return nil, err
	}
	bound := udp.LocalAddr().(*net.UDPAddr).AddrPort()
	c.Local = netip.AddrPortFrom(bound.Addr().Unmap(), bound.Port())
	conn := &Conn{udp: udp, remote: c.Remote, in: newQueue(), wake: make(chan struct{}, 1)}
	if err := conn.open(c); err != nil {
		conn.closeSockets()
		return nil, err
	}
	return conn, nil
}

func (c *Conn) open(cfg udpopt.Config) (err error) {
	if cfg.Enabled {
		if err := firstHop(&cfg); err != nil {
			return err
		}
	}
	if c.engine, err = udpopt.New(cfg); err != nil || !cfg.Enabled {
		return err
	}
	if c.frags, err = udpopt.NewReassembler(udpopt.ReassemblyLimits{}); err != nil {
		return err
	}
	local, remote := cfg.Local, cfg.Remote
	if err := keepWhole(c.udp, remote.Addr()); err != nil {
		return err
	}
	if err := withoutSurplus(c.udp, local.Addr().Is4(), func(data []byte, _ netip.AddrPort) { c.in.put(data, remote) }); err != nil {
		return err
	}
	rawFilter, icmpFilter := rawFilter4, icmpFilter4
	if local.Addr().Is6() {
		rawFilter, icmpFilter = rawFilter6, icmpFilter6
	}
	if c.raw, err = openRaw("udp", local.Addr(), rawFilter(local.Port(), remote.Port())); err != nil {
		return err
	}
	if c.icmp, err = openRaw("icmp", local.Addr(), icmpFilter(local.Port(), remote.Port())); err != nil {
		return err
	}
	if err := keepWhole(c.raw.conn, remote.Addr()); err != nil {
		return err
	}
	c.engine.Start(time.Now())
	c.wg.Go(c.run)
	c.wg.Go(c.readUDP)
	c.wg.Go(c.readRaw)
	c.wg.Go(c.readICMP)
	return nil
}

// firstHop fills in what the first hop's MTU says.
func firstHop(c *udpopt.Config) error {
	if c.Path.Max != 0 && c.MDS != 0 {
		return nil
	}
	hop, err := udpsock.FirstHop(c.Remote.Addr(), c.Local.Addr())
	if err != nil {
		return err
	}
	size := min(hop.MTU, maxPacket) - udpsock.FamilyOf(c.Remote.Addr()).Overhead()
	if c.Path.Max == 0 {
		c.Path.Max = size
	}
	if c.MDS == 0 {
		c.MDS = uint16(size)
	}
	return nil
}

// run owns the clock: it sends what the engine has to send.
func (c *Conn) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		next := c.poll()
		if next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(next))
		}
		select {
		case <-c.in.closed:
			return
		case <-c.wake:
		case <-timer.C:
		}
	}
}

func (c *Conn) poll() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		now := time.Now()
		var ok bool
		if c.out, ok = c.engine.Poll(now, c.out[:0]); !ok {
			return c.engine.Next(now)
		}
		err := c.raw.write(c.out, netip.Addr{}, c.remote.Addr())
		if err != nil {
			c.sendErrs++
		}
		if udpsock.IsMessageTooLong(err) {
			c.tooLong(now, len(c.out))
		}
	}
}

// tooLong: the interface is smaller than the probe, which is certain.
func (c *Conn) tooLong(now time.Time, payload int) {
	f := udpsock.FamilyOf(c.remote.Addr())
	mtu := payload + f.Overhead() - 8 - 1
	if hop, err := udpsock.FirstHop(c.remote.Addr(), netip.Addr{}); err == nil {
		mtu = min(mtu, hop.MTU)
	}
	c.engine.SetMax(now, mtu)
}

// poke makes run look again.
func (c *Conn) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Read reads the user data of one datagram; what doesn't fit into b is lost.
// Probes are not seen.
func (c *Conn) Read(b []byte) (int, error) {
	if c.raw == nil {
		return c.udp.Read(b)
	}
	d, err := c.in.get()
	if err != nil {
		return 0, opError("read", c.udp, err)
	}
	return copy(b, d.data), nil
}

// Write sends user data in one datagram, unfragmented, along with the answer to
// a probe if the peer waits for one. The error is a *udpopt.TooLargeError if
// they exceed MPS.
func (c *Conn) Write(b []byte) (int, error) {
	if c.raw == nil {
		return c.udp.Write(b)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	out, options, err := c.engine.Data(c.out[:0], b)
	c.out = out
	switch {
	case err != nil:
		return 0, opError("write", c.udp, err)
	case options:
		err = c.raw.write(out, netip.Addr{}, c.remote.Addr())
	default:
		_, err = c.udp.Write(b)
	}
	if err != nil {
		return 0, err
	}
	return len(b), nil
}

func opError(op string, udp *net.UDPConn, err error) error {
	return &net.OpError{Op: op, Net: "udp", Source: udp.LocalAddr(), Addr: udp.RemoteAddr(), Err: err}
}

// Close ends discovery and closes the sockets. Blocked calls return.
func (c *Conn) Close() error {
	if !c.in.close() {
		return opError("close", c.udp, net.ErrClosed)
	}
	err := c.closeSockets()
	c.wg.Wait()
	return err
}

func (c *Conn) closeSockets() error {
	err := c.udp.Close()
	for _, r := range []*rawConn{c.raw, c.icmp} {
		if r != nil {
			err = errors.Join(err, r.conn.Close())
		}
	}
	return err
}

// LocalAddr returns the local *net.UDPAddr.
func (c *Conn) LocalAddr() net.Addr { return c.udp.LocalAddr() }

// RemoteAddr returns the remote *net.UDPAddr.
func (c *Conn) RemoteAddr() net.Addr { return c.udp.RemoteAddr() }

// SetDeadline sets both deadlines. Writing never waits long.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline makes Read fail with os.ErrDeadlineExceeded from then on; the
// zero time: never.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if c.raw == nil {
		return c.udp.SetReadDeadline(t)
	}
	c.in.deadline.set(t)
	return nil
}

// SetWriteDeadline is the same for Write.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if c.raw == nil {
		return c.udp.SetWriteDeadline(t)
	}
	return errors.Join(c.raw.conn.SetWriteDeadline(t), c.udp.SetWriteDeadline(t))
}

// MPS returns how many bytes of user data a datagram may carry now.
func (c *Conn) MPS() int { c.mu.Lock(); defer c.mu.Unlock(); return c.engine.MPS() }

// Status is what a Conn knows of its path.
type Status struct {
	State      plpmtud.State // of RFC 8899 section 5.2
	PLPMTU     int           // bytes of user data and surplus area
	MTU        int           // the same as a whole IP packet
	Answered   bool          // the peer answers probes
	SendErrors uint64        // probes and answers that the system refused to send
	udpopt.Counters
}

// Status returns the state of discovery.
func (c *Conn) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.engine
	return Status{State: e.State(), PLPMTU: e.PLPMTU(), MTU: e.MTU(), Answered: e.Answered(), SendErrors: c.sendErrs, Counters: e.Counters()}
}
