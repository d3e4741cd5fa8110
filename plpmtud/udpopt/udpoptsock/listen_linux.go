package udpoptsock

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"pathmtu/plpmtud/udpopt"
)

// ListenConfig says what a Listener does. The zero value answers no probe.
type ListenConfig struct {
	// Local is the address and port to listen on; port 0: the kernel chooses.
	// The unspecified address stands for all addresses of its family.
	Local netip.AddrPort
	// Respond says whether and how fast REQs are answered; off by default
	// (RFC 9869 section 3).
	Respond udpopt.ResponderConfig
	// MDS, if not zero, goes with each answer: an IP MTU less IP and UDP headers
	// (RFC 9868 section 11.5).
	MDS uint16
	// Reassembly bounds what is put together out of UDP fragments.
	Reassembly udpopt.ReassemblyLimits
}

// Listener is an unconnected UDP socket that understands UDP Options and answers
// the probes of any number of peers: a net.PacketConn. It does not probe. Its
// methods may be called concurrently.
type Listener struct {
	udp   *net.UDPConn
	raw   *rawConn
	local netip.AddrPort
	mds   uint16
	in    *queue
	wake  chan struct{}
	wg    sync.WaitGroup

	mu        sync.Mutex
	responder *udpopt.Responder
	frags     *udpopt.Reassembler
	out       []byte
	answers   uint64
}

// Listen opens a Listener. The errors are a *PrivilegeError without CAP_NET_RAW,
// a *udpopt.ConfigError, and the system's.
func Listen(c ListenConfig) (*Listener, error) {
	local := c.Local.Addr().Unmap()
	if !local.IsValid() || local.IsMulticast() {
		return nil, &udpopt.ConfigError{Field: "Local", Value: c.Local, Want: "a unicast or unspecified address and a port"}
	}
	responder, err := udpopt.NewResponder(c.Respond)
	if err != nil {
		return nil, err
	}
	frags, err := udpopt.NewReassembler(c.Reassembly)
	if err != nil {
		return nil, err
	}
	network := "udp4"
	if local.Is6() {
		network = "udp6"
	}
	udp, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, c.Local.Port())))
	if err != nil {
		return nil, err
	}
	l := &Listener{udp: udp, local: localOf(udp), mds: c.MDS, in: newQueue(), wake: make(chan struct{}, 1), responder: responder, frags: frags}
	if err := l.open(); err != nil {
		l.closeSockets()
		return nil, err
	}
	return l, nil
}

func (l *Listener) open() (err error) {
	if err := withoutSurplus(l.udp, l.local.Addr().Is4(), l.in.put); err != nil {
		return err
	}
	filter := rawFilter4
	if l.local.Addr().Is6() {
		filter = rawFilter6
	}
	if l.raw, err = openRaw("udp", l.local.Addr(), filter(l.local.Port(), 0)); err != nil {
		return err
	}
	if err := keepWhole(l.raw.conn, l.local.Addr()); err != nil {
		return err
	}
	l.wg.Go(l.run)
	l.wg.Go(l.readUDP)
	l.wg.Go(l.readRaw)
	return nil
}

// run owns the clock: it sends answers that had to wait.
func (l *Listener) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if next := l.answer(); next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(next))
		}
		select {
		case <-l.in.closed:
			return
		case <-l.wake:
		case <-timer.C:
		}
	}
}

func (l *Listener) answer() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		pair, token, ok := l.responder.Poll(time.Now())
		if !ok {
			return l.responder.Next()
		}
		if err := l.send(pair, nil, token); err == nil {
			l.answers++
		}
	}
}

// send sends user data with an RES.
func (l *Listener) send(p udpopt.Pair, data []byte, token udpopt.Token) (err error) {
	var buf [16]byte
	opts := udpopt.AppendRES(buf[:0], token)
	if l.mds != 0 {
		opts = udpopt.AppendMDS(opts, l.mds)
	}
	if l.out, err = udpopt.AppendDatagram(l.out[:0], p.Local, p.Remote, data, opts, 0); err != nil {
		return err
	}
	return l.raw.write(l.out, p.Local.Addr(), p.Remote.Addr())
}

func (l *Listener) ended(err error) bool {
	if errors.Is(err, net.ErrClosed) {
		return true
	}
	select {
	case <-l.in.closed:
		return true
	case <-time.After(errorPause):
		return false
	}
}

func (l *Listener) readUDP() {
	b := make([]byte, maxPacket)
	for {
		n, from, err := l.udp.ReadFromUDPAddrPort(b)
		if err != nil {
			if l.ended(err) {
				return
			}
			continue
		}
		l.in.put(b[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
	}
}

func (l *Listener) readRaw() {
	b := make([]byte, maxPacket)
	for {
		n, src, dst, err := l.raw.read(b)
		if err != nil {
			if l.ended(err) {
				return
			}
			continue
		}
		// UDP Options are for unicast (RFC 9868 section 23).
		if r := udpopt.Receive(src, dst, b[:n]); !dst.IsMulticast() && ours(r, l.local.Port()) {
			l.received(src, dst, r)
		}
	}
}

// received handles a datagram with a surplus area.
func (l *Listener) received(src, dst netip.Addr, r udpopt.Received) {
	pair := udpopt.Pair{Local: netip.AddrPortFrom(dst, r.DstPort), Remote: netip.AddrPortFrom(src, r.SrcPort)}
	switch r.Do {
	case udpopt.Discard:
		return
	case udpopt.Legacy:
		l.in.put(r.UserData, pair.Remote)
		return
	case udpopt.Empty:
		l.in.put(nil, pair.Remote)
		return
	}
	l.mu.Lock()
	now := time.Now()
	l.request(now, pair, r.Options)
	var whole udpopt.Reassembled
	var complete bool
	if f, data, ok := r.Options.Fragment(); ok {
		key := udpopt.FragKey{Src: pair.Remote, Dst: pair.Local, ID: f.ID}
		if whole, complete, _ = l.frags.Insert(now, key, f, data); complete {
			l.request(now, pair, whole.Options)
		}
	}
	l.mu.Unlock()
	switch {
	case complete:
		l.in.put(whole.UserData, pair.Remote)
	case r.Do == udpopt.Deliver && !r.Probe():
		l.in.put(r.UserData, pair.Remote)
	}
}

func (l *Listener) request(now time.Time, p udpopt.Pair, o udpopt.Options) {
	if token, ok := o.REQ(); ok {
		l.responder.Request(now, p, token)
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// ReadFrom reads the user data of one datagram; what doesn't fit into b is lost.
// Probes are not seen. The address is a *net.UDPAddr.
func (l *Listener) ReadFrom(b []byte) (int, net.Addr, error) {
	d, err := l.in.get()
	if err != nil {
		return 0, nil, &net.OpError{Op: "read", Net: "udp", Source: l.udp.LocalAddr(), Err: err}
	}
	return copy(b, d.data), net.UDPAddrFromAddrPort(d.from), nil
}

// WriteTo sends user data in one datagram, along with the answer to a probe if
// the peer waits for one and the Listener is bound to one address. addr is a
// *net.UDPAddr.
func (l *Listener) WriteTo(b []byte, addr net.Addr) (int, error) {
	to, ok := addr.(*net.UDPAddr)
	if !ok {
		return 0, fmt.Errorf("udpoptsock: address is a %T, want a *net.UDPAddr", addr)
	}
	remote := to.AddrPort()
	pair := udpopt.Pair{Local: l.local, Remote: netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())}
	l.mu.Lock()
	defer l.mu.Unlock()
	if token, ok := l.responder.Take(pair); ok {
		if err := l.send(pair, b, token); err == nil {
			l.answers++
			return len(b), nil
		}
		// It doesn't fit along with the answer, for instance: the data matter more.
	}
	return l.udp.WriteToUDPAddrPort(b, remote)
}

// Answers returns how many RES were sent.
func (l *Listener) Answers() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.answers
}

// Close closes the sockets. Blocked calls return.
func (l *Listener) Close() error {
	if !l.in.close() {
		return &net.OpError{Op: "close", Net: "udp", Source: l.udp.LocalAddr(), Err: net.ErrClosed}
	}
	err := l.closeSockets()
	l.wg.Wait()
	return err
}

func (l *Listener) closeSockets() error {
	err := l.udp.Close()
	if l.raw != nil {
		err = errors.Join(err, l.raw.conn.Close())
	}
	return err
}

// LocalAddr returns the *net.UDPAddr listened on.
func (l *Listener) LocalAddr() net.Addr { return l.udp.LocalAddr() }

// SetDeadline sets both deadlines.
func (l *Listener) SetDeadline(t time.Time) error {
	return errors.Join(l.SetReadDeadline(t), l.SetWriteDeadline(t))
}

// SetReadDeadline makes ReadFrom fail with os.ErrDeadlineExceeded from then on;
// the zero time: never.
func (l *Listener) SetReadDeadline(t time.Time) error { l.in.deadline.set(t); return nil }

// SetWriteDeadline is the same for WriteTo.
func (l *Listener) SetWriteDeadline(t time.Time) error {
	return errors.Join(l.udp.SetWriteDeadline(t), l.raw.conn.SetWriteDeadline(t))
}
