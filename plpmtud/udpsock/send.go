package udpsock

import (
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
)

const (
	// sendAttempts is how often a send is tried when the error may stem from an
	// earlier datagram: reporting such an error clears it, but while ICMP
	// messages pour in, the next one is pending soon.
	sendAttempts = 8
	// maxSegments and maxGSOBytes bound one send with segmentation offload; the
	// oldest kernels that have it allow 64 segments, and the whole must be an
	// IP packet.
	maxSegments = 64
	maxGSOBytes = 65535 - 48
	maxPayload  = 65535 - 28
)

// Sender sends datagrams of a UDP socket, alone or in batches. Batches use
// generic segmentation offload (UDP_SEGMENT) where the system has it. It is
// safe for concurrent use.
//
// A probe is always sent alone. In a batch it would have the wrong size, and
// one datagram that the kernel refuses takes the whole batch with it.
type Sender struct {
	c   *net.UDPConn
	gso atomic.Bool
}

// NewSender returns a Sender for a socket, and finds out whether it can use
// segmentation offload.
func NewSender(c *net.UDPConn) *Sender {
	s := &Sender{c: c}
	s.gso.Store(hasGSO(c))
	return s
}

// GSO says whether batches use segmentation offload. It turns false when the
// kernel says that it can't.
func (s *Sender) GSO() bool { return s.gso.Load() }

// SendAlone sends one datagram, such as a probe. dst is the zero AddrPort if
// the socket is connected. If the socket reports an ICMP error about an earlier
// datagram instead of sending this one, it tries again, several times, so that
// an error for which IsMessageTooLong holds is about this datagram: it exceeds
// the MTU of the interface or the limit of the socket, and was not sent. Only a
// flood of ICMP messages could still bring about such an error: compare with
// FirstHop, or wait for a LocalTooBig, before concluding anything from it.
func (s *Sender) SendAlone(b []byte, dst netip.AddrPort) error {
	var err error
	for range sendAttempts {
		_, _, err = s.c.WriteMsgUDPAddrPort(b, nil, dst)
		if err == nil || !IsPending(err) {
			return err
		}
	}
	return err
}

// BatchResult says what became of the datagrams of a batch.
type BatchResult struct {
	Sent    int // datagrams handed to the kernel without an error
	TooLong int // datagrams that are larger than the interface allows: not sent
	// Split is how many sends with segmentation offload the kernel refused;
	// their datagrams were then sent one by one.
	Split int
}

// SendBatch sends buf as datagrams of segment bytes each; the last one may be
// shorter. dst is the zero AddrPort if the socket is connected.
//
// When the kernel refuses a send with segmentation offload (EINVAL, EMSGSIZE,
// EIO), that does not mean that the datagrams are too big: they are sent one by
// one. A datagram that is then refused as too long counts in TooLong, and the
// others go on. Any other error ends the batch.
func (s *Sender) SendBatch(buf []byte, segment int, dst netip.AddrPort) (BatchResult, error) {
	var r BatchResult
	if segment < 1 || segment > maxPayload {
		return r, fmt.Errorf("udpsock: segment is %d bytes, want 1 to %d", segment, maxPayload)
	}
	for len(buf) > 0 {
		n := min(len(buf), segment*min(maxSegments, max(1, maxGSOBytes/segment)))
		if err := s.sendSome(buf[:n], segment, dst, &r); err != nil {
			return r, err
		}
		buf = buf[n:]
	}
	return r, nil
}

// sendSome sends as many segments as fit in one send with offload.
func (s *Sender) sendSome(buf []byte, segment int, dst netip.AddrPort, r *BatchResult) error {
	if len(buf) > segment && s.gso.Load() {
		err := sendGSO(s.c, buf, segment, dst)
		if err == nil {
			r.Sent += (len(buf) + segment - 1) / segment
			return nil
		}
		again, never := gsoRefused(err)
		if never {
			s.gso.Store(false)
		}
		if !again && !never && !IsPending(err) {
			return err
		}
		r.Split++
	}
	for len(buf) > 0 {
		n := min(len(buf), segment)
		switch err := s.SendAlone(buf[:n], dst); {
		case err == nil:
			r.Sent++
		case IsMessageTooLong(err):
			r.TooLong++
		default:
			return err
		}
		buf = buf[n:]
	}
	return nil
}
