package udppath

import (
	"net"
	"net/netip"
	"time"

	"pathmtu/plpmtud"
	"pathmtu/plpmtud/udpsock"
)

const (
	// pendingInARow is how many reads in a row may report an ICMP message until
	// each further one is preceded by a pause: a flood of messages costs
	// little, and an error that does not go away can't make a read spin.
	pendingInARow = 16
	pause         = time.Millisecond
	// maxHints bounds the hints that wait to be fetched; the newest are kept.
	maxHints = 8
)

// ReadFrom returns the next datagram of the peer, and its address. It waits
// until the read deadline, whatever ICMP messages arrive meanwhile; those become
// Hints. The error is the socket's. A buffer of 65535 bytes holds every
// datagram; what a shorter one can't hold is cut off, or, on Windows, the
// datagram is dropped.
func (c *Conn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, from, err := c.read(p)
	if err != nil {
		return n, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// Read is ReadFrom without the address.
func (c *Conn) Read(p []byte) (int, error) {
	n, _, err := c.read(p)
	return n, err
}

func (c *Conn) read(p []byte) (int, netip.AddrPort, error) {
	for row := 0; ; {
		n, from, err := c.recv(p)
		switch {
		case err == nil && c.isPeer(from):
			return n, from, nil
		case err == nil:
			c.strangers.Add(1)
			continue
		case !udpsock.IsPending(err):
			return n, from, err
		}
		c.pending.Add(1)
		if err := c.readErrors(); err != nil {
			return 0, netip.AddrPort{}, err
		}
		if row++; row > pendingInARow {
			time.Sleep(pause)
		}
	}
}

// readErrors empties the error queue. The error is the socket's.
func (c *Conn) readErrors() error {
	if c.queue == nil {
		return nil
	}
	return c.queue.Read(time.Now(), func(n udpsock.Notice) {
		// What is LocalTooBig, Write has said.
		if n.Kind != udpsock.TooBig {
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.hints) == maxHints {
			c.hints = append(c.hints[:0], c.hints[1:]...)
		}
		c.hints = append(c.hints, plpmtud.Hint{Source: plpmtud.PacketTooBig, MTU: n.MTU})
	})
}

// Hints returns, once, what validated ICMP messages said about the size of
// datagrams of this Conn, the oldest first: for Path.Hint. It does not wait. The
// error is the socket's, such as that it is closed; hints that were noted before
// come with it.
func (c *Conn) Hints() ([]plpmtud.Hint, error) {
	err := c.readErrors()
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.hints
	c.hints = nil
	return h, err
}
