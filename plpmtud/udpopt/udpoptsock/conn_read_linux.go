package udpoptsock

import (
	"errors"
	"net"
	"net/netip"
	"time"

	"pathmtu/plpmtud/udpopt"
)

// ended reports whether an error of a reader is the end; others, such as a port
// unreachable, pass.
func (c *Conn) ended(err error) bool {
	if errors.Is(err, net.ErrClosed) {
		return true
	}
	select {
	case <-c.in.closed:
		return true
	case <-time.After(errorPause):
		return false
	}
}

func (c *Conn) readUDP() {
	b := make([]byte, maxPacket)
	for {
		n, err := c.udp.Read(b)
		if err != nil {
			if c.ended(err) {
				return
			}
			continue
		}
		c.in.put(b[:n], c.remote)
	}
}

func (c *Conn) readRaw() {
	b := make([]byte, maxPacket)
	local := localOf(c.udp)
	for {
		n, src, _, err := c.raw.read(b)
		if err != nil {
			if c.ended(err) {
				return
			}
			continue
		}
		r := udpopt.Receive(src, local.Addr(), b[:n])
		if src == c.remote.Addr() && r.SrcPort == c.remote.Port() && ours(r, local.Port()) {
			c.received(r)
		}
	}
}

// received handles a datagram with a surplus area.
func (c *Conn) received(r udpopt.Received) {
	from := c.remote
	switch r.Do {
	case udpopt.Discard:
		return
	case udpopt.Legacy:
		c.in.put(r.UserData, from)
		return
	case udpopt.Empty:
		c.in.put(nil, from)
		return
	}
	c.mu.Lock()
	now := time.Now()
	c.engine.Receive(now, r.Options)
	var whole udpopt.Reassembled
	var complete bool
	if f, data, ok := r.Options.Fragment(); ok {
		key := udpopt.FragKey{Src: from, Dst: localOf(c.udp), ID: f.ID}
		whole, complete, _ = c.frags.Insert(now, key, f, data)
		if complete {
			c.engine.Receive(now, whole.Options)
		}
	}
	c.mu.Unlock()
	c.poke()
	switch {
	case complete:
		c.in.put(whole.UserData, from)
	case r.Do == udpopt.Deliver && !r.Probe():
		c.in.put(r.UserData, from)
	}
}

func localOf(udp *net.UDPConn) netip.AddrPort {
	a := udp.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

func (c *Conn) readICMP() {
	b := make([]byte, maxPacket)
	six := c.remote.Addr().Is6()
	for {
		n, _, _, err := c.icmp.read(b)
		if err != nil {
			if c.ended(err) {
				return
			}
			continue
		}
		if mtu, quote, ok := parsePTB(b[:n], six); ok {
			c.mu.Lock()
			c.engine.PTB(time.Now(), mtu, quote)
			c.mu.Unlock()
			c.poke()
		}
	}
}
