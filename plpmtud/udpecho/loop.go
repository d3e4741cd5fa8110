package udpecho

import (
	"net"
	"net/netip"
	"time"

	"pathmtu/plpmtud/udpsock"
)

// leastWait keeps the loop from spinning.
const leastWait = time.Millisecond

// run drives the engine: the only goroutine of a Conn.
func (c *Conn) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var out []outgoing
	buf := make([]byte, maxPayload)
	for {
		c.readQueue()
		c.mu.Lock()
		out = c.engine.poll(time.Now(), out[:0])
		c.mu.Unlock()
		for _, o := range out {
			if o.look {
				c.look(o.to)
			} else {
				c.probe(buf, o)
			}
		}
		c.mu.Lock()
		changes := c.engine.changes()
		at := c.engine.nextAt(time.Now())
		c.mu.Unlock()
		if c.cfg.OnChange != nil {
			for _, ch := range changes {
				c.cfg.OnChange(ch)
			}
		}
		if !c.wait(timer, at) {
			return
		}
	}
}

// wait waits until a time, or an event; false: the Conn is closed.
func (c *Conn) wait(timer *time.Timer, at time.Time) bool {
	var expired <-chan time.Time
	if !at.IsZero() {
		timer.Reset(max(time.Until(at), leastWait))
		expired = timer.C
	}
	select {
	case <-c.done:
		return false
	case <-c.wake:
	case <-expired:
	}
	return true
}

// kick makes the loop look after its peers.
func (c *Conn) kick() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// probe sends a probe: a header, and zeros.
func (c *Conn) probe(buf []byte, o outgoing) {
	b := buf[:o.size]
	c.codec.put(b, header{kind: probeKind, length: o.size, token: o.token})
	size := o.size + udpsock.FamilyOf(o.to.Addr()).Overhead()
	c.probes.Add(time.Now(), udpsock.Sent{Dst: o.to, Size: size}, b)
	// An error is a lost probe, and no reason to stop.
	_ = c.send(b, o.to)
}

// send sends one datagram of this layer.
func (c *Conn) send(b []byte, to netip.AddrPort) error {
	switch {
	case c.udp == nil:
		_, err := c.pc.WriteTo(b, net.UDPAddrFromAddrPort(to))
		return err
	case c.remote.IsValid():
		return c.transmit(b, to, netip.AddrPort{})
	}
	return c.transmit(b, to, to)
}

// floodAttempts is how often a datagram that fits the interface is sent when
// the socket says that it is too long: somebody floods it with ICMP messages.
const floodAttempts = 8

// transmit sends one datagram to a peer over a UDP socket; dst is the zero
// AddrPort if the socket is connected. If the interface is too small for it,
// the engine learns that.
func (c *Conn) transmit(b []byte, peer, dst netip.AddrPort) error {
	var err error
	for range floodAttempts {
		err = c.sender.SendAlone(b, dst)
		if !udpsock.IsMessageTooLong(err) || c.refused(peer, len(b)) {
			return err
		}
	}
	return err
}

// look looks the first hop up.
func (c *Conn) look(to netip.AddrPort) {
	mtu := c.firstHop(to)
	c.mu.Lock()
	c.engine.hop(time.Now(), to, mtu)
	c.mu.Unlock()
}

// firstHop returns the MTU of the first hop to a peer, 0 if it is not known.
func (c *Conn) firstHop(to netip.AddrPort) int {
	if c.hops == nil {
		return 0
	}
	src := c.src
	if src.IsValid() && src.Is4() != to.Addr().Is4() {
		src = netip.Addr{} // a dual-stack socket is bound to no address
	}
	hop, err := c.hops.To(to.Addr(), src)
	if err != nil {
		return 0
	}
	return hop.MTU
}

// refused follows a refusal of a datagram of size bytes of UDP payload; false:
// the datagram does fit the first hop, and the refusal was about another one.
func (c *Conn) refused(to netip.AddrPort, size int) bool {
	c.readQueue()
	mtu := c.firstHop(to)
	if size+udpsock.FamilyOf(to.Addr()).Overhead() <= mtu {
		return false
	}
	c.mu.Lock()
	c.engine.tooLong(time.Now(), to, size, mtu)
	c.mu.Unlock()
	c.kick()
	return true
}

// readQueue hands what the error queue says to the engine.
func (c *Conn) readQueue() {
	if c.queue == nil {
		return
	}
	used := false
	// The error would be that the socket is closed.
	_ = c.queue.Read(time.Now(), func(n udpsock.Notice) {
		c.mu.Lock()
		c.engine.notice(time.Now(), n)
		c.mu.Unlock()
		used = true
	})
	if used {
		c.kick()
	}
}

// match finds what an ICMP message quotes among the probes and the datagrams of
// the application. Of a probe, the token must be quoted: what stands before it
// is no secret. Of a datagram, all that is remembered must be, since it may
// begin in a way that is easy to guess (RFC 8899 section 4.6.1). Routers quote
// that much, or nothing.
func (c *Conn) match(now time.Time, q udpsock.Quote) (udpsock.Sent, bool) {
	if len(q.Payload) >= offMAC {
		if s, ok := c.probes.Match(now, q); ok {
			return s, true
		}
	}
	if len(q.Payload) >= udpsock.QuoteBytes {
		return c.data.Match(now, q)
	}
	return udpsock.Sent{}, false
}
