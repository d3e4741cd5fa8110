// Package stopwait is an application on datagrams for the examples: it sends a
// stream, one datagram after the other, each cut to what the path carries when
// it is sent, and again when no answer comes.
//
//	sender ── offset (8 bytes), last (1), data ──► receiver
//	       ◄── offset expected next (8 bytes), complete (1) ────
package stopwait

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"time"

	"pathmtu/plpmtud/udpsock"
)

// Datagrams is what the application needs of the layer below.
type Datagrams interface {
	// MaxPayload is how many bytes fit into one datagram now. It may change
	// with each datagram.
	MaxPayload() int
	Write(p []byte) (int, error)
	Read(p []byte) (int, error)
	SetReadDeadline(t time.Time) error
}

const (
	headerLen = 9
	patience  = 100 * time.Millisecond
	// linger is how long the receiver answers after the end, in case its last
	// answer was lost.
	linger = time.Second
)

// Send sends all of src, and returns when the receiver has it.
func Send(ctx context.Context, d Datagrams, src io.Reader) error {
	in := bufio.NewReaderSize(src, 1<<16)
	ack := make([]byte, 1<<16)
	b := make([]byte, 1<<16)
	var offset, end uint64 // acknowledged; sent at all
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		data, err := in.Peek(min(d.MaxPayload(), len(b)) - headerLen)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		binary.BigEndian.PutUint64(b, offset)
		b[8] = flag(err != nil)
		if _, err := d.Write(b[:headerLen+copy(b[headerLen:], data)]); err != nil && !udpsock.IsMessageTooLong(err) {
			return err
		}
		end = max(end, offset+uint64(len(data)))
		next, complete, err := readAck(d, ack, offset, end)
		if complete || err != nil {
			return err
		}
		_, _ = in.Discard(int(next - offset))
		offset = next
	}
}

// readAck waits for an answer that tells of progress beyond offset. It returns
// offset when none came.
func readAck(d Datagrams, buf []byte, offset, end uint64) (next uint64, complete bool, err error) {
	if err := d.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return 0, false, err
	}
	for {
		n, err := d.Read(buf)
		switch {
		case timedOut(err):
			return offset, false, nil
		case err != nil:
			return 0, false, err
		case n != headerLen:
			continue
		}
		next, complete = binary.BigEndian.Uint64(buf), buf[8] == 1
		if complete || next > offset && next <= end {
			return next, complete, nil
		}
	}
}

// Receive writes the stream of one sender to dst.
func Receive(ctx context.Context, d Datagrams, dst io.Writer) error {
	buf := make([]byte, 1<<16)
	expected, done := uint64(0), false
	last := time.Now()
	for !done || time.Since(last) < linger {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := d.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		n, err := d.Read(buf)
		switch {
		case timedOut(err):
			continue
		case errors.Is(err, io.EOF) && done:
			return nil
		case err != nil:
			return err
		case n < headerLen:
			continue
		}
		last = time.Now()
		if binary.BigEndian.Uint64(buf) == expected && !done {
			written, err := dst.Write(buf[headerLen:n])
			expected += uint64(written)
			if err != nil {
				return err
			}
			done = buf[8] == 1
		}
		answer := binary.BigEndian.AppendUint64(nil, expected)
		if _, err := d.Write(append(answer, flag(done))); err != nil {
			return err
		}
	}
	return nil
}

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}

func timedOut(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}
