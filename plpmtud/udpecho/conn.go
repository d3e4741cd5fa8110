package udpecho

import (
	"errors"
	"net"
	"net/netip"
	"time"

	"pathmtu/plpmtud"
	"pathmtu/plpmtud/udpsock"
)

// ReadFrom returns the next datagram for the application. It also handles what
// this layer receives: path MTU discovery works, in both directions, while
// somebody reads. The largest probe that is acknowledged to a peer is as large
// as p.
func (c *Conn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, from, addr, err := c.read(p)
	if err != nil {
		return n, nil, err
	}
	if addr == nil {
		addr = net.UDPAddrFromAddrPort(from)
	}
	return n, addr, nil
}

// ReadFromUDPAddrPort is ReadFrom for those who prefer netip. The address is
// the zero AddrPort if the connection is not one of UDP.
func (c *Conn) ReadFromUDPAddrPort(p []byte) (int, netip.AddrPort, error) {
	n, from, _, err := c.read(p)
	return n, from, err
}

// Read is ReadFrom without the address.
func (c *Conn) Read(p []byte) (int, error) {
	n, _, _, err := c.read(p)
	return n, err
}

// read returns the next datagram that is not of this layer; addr is nil if the
// connection is a UDP socket.
func (c *Conn) read(p []byte) (n int, from netip.AddrPort, addr net.Addr, err error) {
	buf := p
	if len(p) < headerLen {
		buf = make([]byte, headerLen) // a header must be recognised
	}
	for {
		if c.udp != nil {
			n, from, err = c.udp.ReadFromUDPAddrPort(buf)
		} else {
			n, addr, err = c.pc.ReadFrom(buf)
			from = addrPort(addr)
		}
		switch {
		case err != nil:
			if !c.absorb(err) {
				return n, from, addr, err
			}
		case !c.consume(buf[:n], key(from)):
			if len(p) < headerLen {
				n = copy(p, buf[:n])
			}
			return n, from, addr, nil
		}
	}
}

// absorb handles an error of a receive; false: it is the application's.
func (c *Conn) absorb(err error) bool {
	if c.udp == nil || !udpsock.IsPending(err) {
		return false
	}
	c.readQueue()
	// A connected socket has always told its application that the peer's port
	// is closed.
	if c.remote.IsValid() && !udpsock.IsMessageTooLong(err) && (c.queue == nil || udpsock.IsRefused(err)) {
		return false
	}
	c.mu.Lock()
	c.engine.stats.ErrorsNoted++
	c.mu.Unlock()
	return true
}

// consume handles a datagram of this layer; false: it is the application's.
func (c *Conn) consume(b []byte, from netip.AddrPort) bool {
	h, ok := c.codec.parse(b)
	if !ok {
		return false
	}
	c.mu.Lock()
	answer, reply := c.engine.received(time.Now(), from, h, len(b))
	c.mu.Unlock()
	if reply {
		var out [headerLen]byte
		c.codec.put(out[:], answer)
		// An answer that is not sent is a lost probe: the peer copes.
		_ = c.send(out[:], from)
	}
	c.kick()
	return true
}

// WriteTo sends a datagram of the application, unchanged, and begins to
// discover the path MTU to its destination. If udpsock.IsMessageTooLong holds
// for the error, the datagram exceeds the MTU of the interface and was not sent.
func (c *Conn) WriteTo(p []byte, addr net.Addr) (int, error) {
	to := addrPort(addr)
	if c.udp == nil || !to.IsValid() {
		c.note(p, to)
		return c.pc.WriteTo(p, addr)
	}
	return c.WriteToUDPAddrPort(p, to)
}

// WriteToUDPAddrPort is WriteTo for those who prefer netip.
func (c *Conn) WriteToUDPAddrPort(p []byte, to netip.AddrPort) (int, error) {
	if c.udp == nil {
		return c.WriteTo(p, net.UDPAddrFromAddrPort(to))
	}
	c.note(p, key(to))
	if err := c.transmit(p, key(to), to); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Write is WriteTo the peer of a connected socket; of another one it is an error.
func (c *Conn) Write(p []byte) (int, error) {
	if !c.remote.IsValid() {
		return 0, &net.OpError{Op: "write", Net: "udp", Source: c.LocalAddr(), Err: errors.New("udpecho: the socket is not connected: use WriteTo")}
	}
	c.note(p, c.remote)
	n, err := c.udp.Write(p)
	if udpsock.IsMessageTooLong(err) {
		// Perhaps an ICMP message about an earlier datagram.
		if err = c.transmit(p, c.remote, netip.AddrPort{}); err == nil {
			n = len(p)
		}
	}
	return n, err
}

// note takes note of a datagram that the application is about to send.
func (c *Conn) note(p []byte, to netip.AddrPort) {
	if len(p) > dataRememberedAbove {
		size := len(p) + udpsock.FamilyOf(to.Addr()).Overhead()
		c.data.Add(time.Now(), udpsock.Sent{Dst: to, Size: size}, p)
	}
	c.mu.Lock()
	wake := c.engine.sent(time.Now(), to)
	c.mu.Unlock()
	if wake {
		c.kick()
	}
}

// Status is what is known of the path to a peer.
type Status struct {
	// MaxPayload is the largest UDP payload that the application should send,
	// in bytes. It is confirmed if Answers, and State is neither DISABLED nor
	// BASE; otherwise it is what is commonly assumed.
	MaxPayload int
	State      plpmtud.State
	// Answers says that the peer has this layer: it answered.
	Answers bool
	// Silent says that it did not answer a whole round of greetings.
	Silent bool
}

// Status returns what is known of the path to a peer. For an address that was
// never sent to, it says what is assumed of all.
func (c *Conn) Status(to netip.AddrPort) Status {
	to = key(to)
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.engine.peers[to]
	if p == nil {
		_, base, _ := c.cfg.limits(udpsock.FamilyOf(to.Addr()), 0)
		return Status{MaxPayload: base}
	}
	return Status{
		MaxPayload: p.maxPayload(), State: p.state(),
		Answers: p.stage == looking || p.stage == running, Silent: p.silent(c.cfg.MaxProbes),
	}
}

// MaxPayload returns the largest UDP payload that the application should send
// to a peer, in bytes: the MPS of RFC 8899. This layer adds nothing to the
// application's datagrams.
func (c *Conn) MaxPayload(to netip.AddrPort) int { return c.Status(to).MaxPayload }

// Delivered tells that a datagram of size bytes of UDP payload, sent by the
// application at the given time, arrived. See Config.AppAcks.
func (c *Conn) Delivered(to netip.AddrPort, size int, sent time.Time) {
	c.report(func(now time.Time) { c.engine.delivered(now, key(to), size, sent) })
}

// Undelivered tells that the application considers such a datagram lost. Enough
// of those reveal that the path has become smaller. See Config.AppAcks.
func (c *Conn) Undelivered(to netip.AddrPort, size int, sent time.Time) {
	c.report(func(now time.Time) { c.engine.undelivered(now, key(to), size, sent) })
}

func (c *Conn) report(f func(now time.Time)) {
	c.mu.Lock()
	f(time.Now())
	c.mu.Unlock()
	c.kick()
}

// Stats returns the counters.
func (c *Conn) Stats() Stats {
	c.mu.Lock()
	s := c.engine.stats
	s.Peers = len(c.engine.peers)
	c.mu.Unlock()
	if c.queue != nil {
		s.ErrorQueue = c.queue.Stats()
	}
	return s
}

// Close ends path MTU discovery and closes the connection. It waits for an
// OnChange that runs. Calling it again returns the same error.
func (c *Conn) Close() error {
	c.closeOnce.Do(func() {
		close(c.done)
		c.closeErr = c.pc.Close()
		c.wg.Wait()
		if c.hops != nil {
			c.closeErr = errors.Join(c.closeErr, c.hops.Close())
		}
	})
	return c.closeErr
}

// LocalAddr returns the address of the connection.
func (c *Conn) LocalAddr() net.Addr { return c.pc.LocalAddr() }

// RemoteAddr returns the peer of a connected socket, nil otherwise.
func (c *Conn) RemoteAddr() net.Addr {
	if c.udp == nil {
		return nil
	}
	return c.udp.RemoteAddr()
}

// SetDeadline sets both deadlines of the connection.
func (c *Conn) SetDeadline(t time.Time) error { return c.pc.SetDeadline(t) }

// SetReadDeadline sets the deadline of reads.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.pc.SetReadDeadline(t) }

// SetWriteDeadline sets the deadline of writes, also of probes: while it is
// past, probes are not sent, and count as lost.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.pc.SetWriteDeadline(t) }
