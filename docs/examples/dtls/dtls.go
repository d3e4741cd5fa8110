// Package dtls discovers the path MTU of a DTLS association (pion/dtls), by
// messages inside of it, in the manner of the padded heartbeats of RFC 6520.
//
//	application data: 0, data
//	probe:            1, id (4 bytes), zeros up to the size to try
//	answer:           2, id
//
// Whatever arrives inside of the association is authentic: an id needs no
// secret. The answer is small, so that only the way there is measured.
package dtls

import (
	"encoding/binary"
	"net"
	"sync"
	"time"

	pion "github.com/pion/dtls/v3"

	"pathmtu/plpmtud"
	"pathmtu/plpmtud/udppath"
	"pathmtu/plpmtud/udpsock"
)

// Suite is the cipher suite that RecordOverhead is true of.
const Suite = pion.TLS_PSK_WITH_AES_128_GCM_SHA256

// RecordOverhead is what DTLS 1.2 adds to a message with this suite, without
// connection ids, in bytes: record header, explicit nonce, tag.
const RecordOverhead = 13 + 8 + 16

const (
	kindData byte = iota
	kindProbe
	kindAnswer

	kindLen  = 1
	probeLen = kindLen + 4
)

// Conn is a DTLS connection that knows how much fits into one message. Path MTU
// discovery works while the application reads.
type Conn struct {
	*pion.Conn
	sock *udppath.Conn // nil: only answers

	mu   sync.Mutex
	path *plpmtud.Path // nil: only answers
	poll chan struct{} // the path's state changed
	end  chan struct{}
	once sync.Once
}

// Answer returns a connection that answers the probes of its peer, and sends
// none.
func Answer(c *pion.Conn) *Conn { return &Conn{Conn: c, end: make(chan struct{})} }

// Client makes a DTLS association over a socket, and begins to discover its
// path MTU. Overhead, Max, Header and Layer of cfg are filled in. Close of the
// Conn closes the socket as well; if Client fails, the caller closes it.
func Client(sock *udppath.Conn, cfg plpmtud.Config, opts ...pion.ClientOption) (*Conn, error) {
	dtls, err := pion.ClientWithOptions(sock, net.UDPAddrFromAddrPort(sock.Peer()), opts...)
	if err != nil {
		return nil, err
	}
	if err := dtls.Handshake(); err != nil {
		return nil, err
	}
	if cfg.Max, err = sock.Max(); err != nil {
		return nil, err
	}
	cfg.Overhead, cfg.Header, cfg.Layer = sock.Overhead(), RecordOverhead+kindLen, plpmtud.Unacknowledged
	path, err := plpmtud.New(cfg)
	if err != nil {
		return nil, err
	}
	c := &Conn{Conn: dtls, sock: sock, path: path, poll: make(chan struct{}, 1), end: make(chan struct{})}
	path.Start(time.Now(), 0) // the flights of a handshake say nothing about BASE
	go c.probe()
	return c, nil
}

// MaxPayload returns how many bytes fit into one message now.
func (c *Conn) MaxPayload() int {
	if c.path == nil {
		return plpmtud.DefaultBase - RecordOverhead - kindLen
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.path.MPS()
}

// Write sends a message of the application.
func (c *Conn) Write(p []byte) (int, error) {
	if _, err := c.Conn.Write(append([]byte{kindData}, p...)); err != nil {
		c.refused(err, kindLen+len(p)+RecordOverhead)
		return 0, err
	}
	return len(p), nil
}

// Read returns the next message of the application.
func (c *Conn) Read(p []byte) (int, error) {
	buf := make([]byte, 1<<16)
	for {
		n, err := c.Conn.Read(buf)
		if err != nil {
			return 0, err
		}
		switch b := buf[:n]; {
		case n >= kindLen && b[0] == kindData:
			return copy(p, b[kindLen:]), nil
		case n >= probeLen && b[0] == kindProbe:
			b[0] = kindAnswer
			if _, err := c.Conn.Write(b[:probeLen]); err != nil {
				return 0, err
			}
		case n == probeLen && b[0] == kindAnswer && c.path != nil:
			c.mu.Lock()
			c.path.Acked(time.Now(), plpmtud.ProbeID(binary.BigEndian.Uint32(b[kindLen:])))
			c.mu.Unlock()
			select {
			case c.poll <- struct{}{}:
			default:
			}
		}
	}
}

// probe sends probes when they are due.
func (c *Conn) probe() {
	const look = 100 * time.Millisecond // for hints
	for {
		now := time.Now()
		hints, err := c.sock.Hints()
		if err != nil {
			return // the socket is closed
		}
		c.mu.Lock()
		for _, h := range hints {
			c.path.Hint(now, h)
		}
		p, due := c.path.Poll(now)
		wait := look
		if next := c.path.Next(); !next.IsZero() {
			wait = min(wait, max(next.Sub(now), time.Millisecond))
		}
		c.mu.Unlock()
		if due {
			b := make([]byte, p.Size-RecordOverhead)
			b[0] = kindProbe
			binary.BigEndian.PutUint32(b[kindLen:], uint32(p.ID))
			if _, err := c.Conn.Write(b); err != nil {
				c.refused(err, p.Size)
			}
		}
		select {
		case <-c.end:
			return
		case <-c.poll:
		case <-time.After(wait):
		}
	}
}

// refused tells the path that the interface does not carry a datagram of size
// bytes of UDP payload.
func (c *Conn) refused(err error, size int) {
	if c.path == nil || !udpsock.IsMessageTooLong(err) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.path.SetMax(time.Now(), c.sock.MaxBelow(size))
}

// Close ends the association.
func (c *Conn) Close() error {
	c.once.Do(func() { close(c.end) })
	return c.Conn.Close()
}
