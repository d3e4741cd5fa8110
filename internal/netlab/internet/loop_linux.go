package internet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"pathmtu/internal/netlab"
)

// loop carries packets between a TAP device and a World.
type loop struct {
	tap  *os.File
	fd   int // a duplicate, for reads and writes that don't block
	stop atomic.Bool
	done chan error

	mu      sync.Mutex
	stats   Stats
	dropped uint64
	cpu     time.Duration
}

const (
	batch       = 256     // packets of one kind before the other kind has its turn
	mostPending = 1 << 20 // answers on their way
)

func start(w *World, tap *os.File) (*loop, error) {
	l := &loop{tap: tap, done: make(chan error, 1)}
	raw, err := tap.SyscallConn()
	if err != nil {
		return nil, err
	}
	var dup error
	if err := raw.Control(func(fd uintptr) { l.fd, dup = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); err != nil || dup != nil {
		return nil, errors.Join(err, dup)
	}
	go func() {
		runtime.LockOSThread() // it blocks in poll(2)
		defer runtime.UnlockOSThread()
		l.done <- l.run(w)
	}()
	return l, nil
}

func (l *loop) run(w *World) error {
	origin := time.Now()
	q := &Queue{Most: mostPending}
	buf := make([]byte, 1<<16)
	for rounds := 0; !l.stop.Load(); rounds++ {
		q.Advance(time.Since(origin))
		n, err := l.read(w, q, buf)
		if err != nil {
			return err
		}
		m, err := l.write(q)
		if err != nil {
			return err
		}
		idle := n == 0 && m == 0
		if idle || rounds%64 == 0 {
			var use unix.Rusage
			_ = unix.Getrusage(unix.RUSAGE_THREAD, &use)
			l.mu.Lock()
			l.stats, l.dropped = w.stats, q.Dropped
			l.cpu = time.Duration(use.Utime.Nano() + use.Stime.Nano())
			l.mu.Unlock()
		}
		if idle {
			wait := 20 // milliseconds until somebody asks to stop
			if q.Pending() > 0 {
				wait = 1
			}
			fds := []unix.PollFd{{Fd: int32(l.fd), Events: unix.POLLIN}}
			if _, err := unix.Poll(fds, wait); err != nil && !errors.Is(err, unix.EINTR) {
				return fmt.Errorf("poll: %w", err)
			}
		}
	}
	return nil
}

func (l *loop) read(w *World, q *Queue, buf []byte) (int, error) {
	for n := range batch {
		size, err := unix.Read(l.fd, buf)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return n, nil
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return n, fmt.Errorf("read from %s: %w", Device, err)
		default:
			w.frame(q.now, buf[:size], q)
		}
	}
	return batch, nil
}

func (l *loop) write(q *Queue) (int, error) {
	for n := range batch {
		p, ok := q.Pop()
		if !ok {
			return n, nil
		}
		seal(p)
		// A device that is down, or a kernel out of memory, loses the packet.
		if _, err := unix.Write(l.fd, p); errors.Is(err, unix.EBADF) {
			return n, fmt.Errorf("write to %s: %w", Device, err)
		}
	}
	return batch, nil
}

func (l *loop) snapshot() Usage {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Usage{Stats: l.stats, NoRoom: l.dropped, CPU: l.cpu}
}

func (l *loop) close() error {
	l.stop.Store(true)
	err := <-l.done
	l.done <- nil
	if l.fd >= 0 {
		err = errors.Join(err, unix.Close(l.fd), l.tap.Close())
		l.fd = -1
	}
	return err
}

// openTAP makes a TAP device in the network namespace of the calling thread.
func openTAP(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrPermission) {
		return nil, &netlab.PrivilegeError{
			Need: "access to /dev/net/tun", Alternative: "run as root",
			Err: fmt.Errorf("open /dev/net/tun: %w", err),
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	req, err := unix.NewIfreq(name)
	if err == nil {
		req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("tap %s: %w", name, err)
	}
	// The device must exist before the runtime's poller sees the descriptor.
	return os.NewFile(uintptr(fd), "tap "+name), nil
}
