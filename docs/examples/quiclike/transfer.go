package quiclike

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"pathmtu/plpmtud"
	"pathmtu/plpmtud/udppath"
	"pathmtu/plpmtud/udpsock"
)

// Config says how Send sends. The zero value of each field chooses a default.
type Config struct {
	// Path configures path MTU discovery; Layer, Header, Overhead and Max are
	// filled in.
	Path plpmtud.Config
	// IdleTimeout ends a transfer that is not acknowledged any more. Zero: 30 s.
	IdleTimeout time.Duration
	// MaxWindow bounds what is in flight, in bytes. Zero: 256 KiB.
	MaxWindow int
}

// Stats says what Send did.
type Stats struct {
	Packets, Lost, Resent int
	Window                int // congestion window at the end, bytes
	PLPMTU                int // at the end, bytes of UDP payload
}

// ErrIdle is the error of a transfer that is not acknowledged any more.
var ErrIdle = errors.New("quiclike: no acknowledgement")

// Send sends all of src to the peer of c, and returns when it is acknowledged.
func Send(ctx context.Context, c *udppath.Conn, src io.Reader, cfg Config) (Stats, error) {
	var err error
	cfg.Path.Overhead = c.Overhead()
	if cfg.Path.Max, err = c.Max(); err != nil {
		return Stats{}, err
	}
	if cfg.IdleTimeout == 0 {
		cfg.IdleTimeout = 30 * time.Second
	}
	if cfg.MaxWindow == 0 {
		cfg.MaxWindow = 256 << 10
	}
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return Stats{}, err
	}
	s, err := newSender(src, cfg, binary.BigEndian.Uint64(id[:]), time.Now())
	if err != nil {
		return Stats{}, err
	}
	err = s.run(ctx, c, cfg.IdleTimeout)
	s.stats.Window, s.stats.PLPMTU = s.window.size, s.path.PLPMTU()
	return s.stats, err
}

func newSender(src io.Reader, cfg Config, conn uint64, now time.Time) (*sender, error) {
	path, err := newPath(cfg.Path)
	if err != nil {
		return nil, err
	}
	return &sender{
		path: path, src: src, conn: conn, heard: now, buf: make([]byte, 0, 1<<16),
		window: window{size: initWindow, most: max(cfg.MaxWindow, minWindow)},
	}, nil
}

func (s *sender) run(ctx context.Context, c *udppath.Conn, idle time.Duration) error {
	buf := make([]byte, 2048)
	for !s.done() {
		now := time.Now()
		hints, err := c.Hints()
		if err != nil {
			return err
		}
		for _, h := range hints {
			s.hint(now, h)
		}
		s.tick(now)
		if err := s.flush(now, c); err != nil {
			return err
		}
		if now.Sub(s.heard) > idle {
			return fmt.Errorf("%w for %v", ErrIdle, idle)
		}
		n, err := read(ctx, c, buf, s.wake())
		if err != nil {
			return err
		}
		s.received(time.Now(), buf[:n])
	}
	return nil
}

// flush sends what may be sent.
func (s *sender) flush(now time.Time, c *udppath.Conn) error {
	for {
		b, err := s.next(now)
		if b == nil || err != nil {
			return err
		}
		switch _, err := c.Write(b); {
		case udpsock.IsMessageTooLong(err):
			s.tooLong(now, c.MaxBelow(len(b)))
		case err != nil:
			return err
		}
	}
}

// read waits for a datagram until a time, or for a while if that is zero. It
// returns 0 when none came.
func read(ctx context.Context, c net.PacketConn, buf []byte, until time.Time) (int, error) {
	n, _, err := readFrom(ctx, c, buf, until)
	return n, err
}

// nap is how long a read may miss the end of its context.
const nap = 50 * time.Millisecond

func readFrom(ctx context.Context, c net.PacketConn, buf []byte, until time.Time) (int, net.Addr, error) {
	if err := ctx.Err(); err != nil {
		return 0, nil, err
	}
	if end := time.Now().Add(nap); until.IsZero() || until.After(end) {
		until = end
	}
	if err := c.SetReadDeadline(until); err != nil {
		return 0, nil, err
	}
	n, from, err := c.ReadFrom(buf)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, nil, nil
	}
	return n, from, err
}

// linger is how long a receiver that has all of the stream goes on to answer,
// in case its last acknowledgement was lost.
const linger = time.Second

// Receive writes the stream that one sender sends to dst. It returns when the
// stream is complete and the sender is silent.
func Receive(ctx context.Context, c *net.UDPConn, dst io.Writer) error {
	r := &receiver{dst: dst, held: map[uint64]chunk{}}
	buf := make([]byte, 1<<16)
	var peer netip.AddrPort
	last := time.Now()
	for !r.done() || time.Since(last) < linger {
		until := time.Time{}
		if r.unsaid > 0 {
			until = r.since.Add(maxAckDelay)
		}
		n, from, err := readFrom(ctx, c, buf, until)
		if err != nil {
			return err
		}
		now := time.Now()
		if n > 0 {
			last = now
			if err := r.received(now, buf[:n]); err != nil {
				return err
			}
			peer = from.(*net.UDPAddr).AddrPort()
		}
		if b := r.ack(now); b != nil {
			if _, err := c.WriteToUDPAddrPort(b, peer); err != nil {
				return err
			}
		}
	}
	return nil
}
