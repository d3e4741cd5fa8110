package udpsock

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"pathmtu/internal/errqueue"
)

// drainPerRead bounds how many messages over the budget one Read drops; the
// kernel's queue is bounded by the socket's receive buffer.
const drainPerRead = 256

// ErrorQueue reads what came back about the datagrams of a UDP socket.
// It is safe for concurrent use.
type ErrorQueue struct {
	rc  syscall.RawConn
	mu  sync.Mutex
	v   validator
	buf [QuoteBytes]byte
	oob []byte // apart, so that control messages are aligned
}

// NewErrorQueue switches the error queue of a socket on (IP_RECVERR and
// IPV6_RECVERR). From then on, also on a socket that is not connected, ICMP
// errors end up in the queue, and the next receive or send fails with an error
// for which IsPending holds: that is the moment to call Read. On systems without
// an error queue the error is an *UnsupportedError.
func NewErrorQueue(c syscall.Conn, cfg QueueConfig) (*ErrorQueue, error) {
	cfg, err := cfg.normalise()
	if err != nil {
		return nil, err
	}
	rc, err := c.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("udpsock: no access to the socket: %w", err)
	}
	err = control(c, func(fd uintptr) error {
		v4, v6, err := families(fd)
		if err != nil {
			return err
		}
		if v4 {
			if err := unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVERR, 1); err != nil {
				return fmt.Errorf("udpsock: IP_RECVERR: %w", err)
			}
		}
		if v6 {
			if err := unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1); err != nil {
				return fmt.Errorf("udpsock: IPV6_RECVERR: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ErrorQueue{rc: rc, v: newValidator(cfg), oob: make([]byte, errqueue.MaxControl)}, nil
}

// Read empties the queue without waiting, and calls f for each message that
// holds good. It does not allocate memory that the sender of a message
// controls, examines no more than the budget allows, and drops the rest.
// f must not call Read or Stats. The error, if any, is the socket's.
func (q *ErrorQueue) Read(now time.Time, f func(Notice)) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	dropped := 0
	for dropped < drainPerRead {
		if !q.v.budget.Take(now) {
			if empty, err := q.drop(); empty || err != nil {
				return err
			}
			q.v.stats.Limited++
			dropped++
			continue
		}
		r, err := q.recv()
		switch {
		case errors.Is(err, errEmpty):
			q.v.budget.put()
			return nil
		case errors.Is(err, errMalformed):
			q.v.stats.Malformed++
			continue
		case err != nil:
			return err
		}
		if r.kind == LocalTooBig {
			q.v.budget.put() // nobody else can cause these
		}
		if n, ok := q.v.check(now, r); ok {
			f(n)
		}
	}
	return nil
}

// Stats returns the counters.
func (q *ErrorQueue) Stats() QueueStats {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.v.stats
}

var errEmpty = errors.New("udpsock: error queue is empty")

func (q *ErrorQueue) recv() (report, error) {
	n, oobn, from, err := q.recvmsg(q.buf[:], q.oob)
	if err != nil {
		return report{}, err
	}
	dst, ok := addrPort(from)
	if !ok {
		return report{}, errMalformed
	}
	return parseReport(q.oob[:oobn], dst, q.buf[:n])
}

func (q *ErrorQueue) drop() (empty bool, err error) {
	_, _, _, err = q.recvmsg(nil, nil)
	if errors.Is(err, errEmpty) {
		return true, nil
	}
	return false, err
}

// recvmsg reads one message. It uses Control, because Read of a RawConn waits
// for a reader of the socket that is asleep.
func (q *ErrorQueue) recvmsg(p, oob []byte) (n, oobn int, from unix.Sockaddr, err error) {
	cerr := q.rc.Control(func(fd uintptr) {
		for {
			n, oobn, _, from, err = unix.Recvmsg(int(fd), p, oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
			if !errors.Is(err, unix.EINTR) {
				break
			}
		}
	})
	if cerr != nil {
		return 0, 0, nil, fmt.Errorf("udpsock: no access to the socket: %w", cerr)
	}
	if errors.Is(err, unix.EAGAIN) {
		return 0, 0, nil, errEmpty
	}
	if err != nil {
		return 0, 0, nil, fmt.Errorf("udpsock: reading the error queue: %w", err)
	}
	return n, oobn, from, nil
}

// addrPort makes a netip.AddrPort of what the kernel says; IPv4-mapped
// addresses become IPv4.
func addrPort(sa unix.Sockaddr) (netip.AddrPort, bool) {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)), true
	case *unix.SockaddrInet6:
		a := netip.AddrFrom16(sa.Addr).Unmap()
		if sa.ZoneId != 0 && a.Is6() {
			if ifi, err := net.InterfaceByIndex(int(sa.ZoneId)); err == nil {
				a = a.WithZone(ifi.Name)
			}
		}
		return netip.AddrPortFrom(a, uint16(sa.Port)), true
	}
	return netip.AddrPort{}, false
}
