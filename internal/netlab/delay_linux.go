package netlab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// delayLink carries packets between two TUN devices through a delayQueue each
// way.
type delayLink struct {
	tuns  [2]*os.File
	pipes [2]*delayPipe // the one of side 0 carries from A to B
	link  int
	wg    sync.WaitGroup
}

// delayPipe is one direction: a reader that fills the queue and a writer that
// empties it on time.
type delayPipe struct {
	mu    sync.Mutex
	queue *delayQueue
	wake  chan struct{} // 1 deep: the head of the queue may have changed
	done  chan struct{}
}

// addDelayLink makes the TUN devices of link i and starts to carry packets.
func (lab *Lab) addDelayLink(i int, l Link) error {
	d := &delayLink{link: i}
	ends := [2]End{l.A, l.B}
	for side, e := range ends {
		name := lab.ifname(e.Node, i)
		err := lab.nodes[e.Node].Do(func() (err error) {
			d.tuns[side], err = openTUN(name)
			return err
		})
		if err != nil {
			return errors.Join(fmt.Errorf("create tun at %q: %w", e.Node, err), d.Close())
		}
	}
	for side := range ends {
		p := &delayPipe{
			queue: newDelayQueue(*l.Delay, ends[1-side].MTU, uint64(2*i+side)),
			wake:  make(chan struct{}, 1),
			done:  make(chan struct{}),
		}
		d.pipes[side] = p
		from, to := d.tuns[side], d.tuns[1-side]
		d.wg.Go(func() { p.read(from) })
		d.wg.Go(func() { p.write(to) })
	}
	lab.delays = append(lab.delays, d)
	return nil
}

// LinkDrops returns what a delayed link of the topology, by its index, dropped
// on the way from A to B and from B to A. It is zero for any other link.
func (lab *Lab) LinkDrops(link int) (ab, ba Drops) {
	for _, d := range lab.delays {
		if d.link == link {
			return d.pipes[0].drops(), d.pipes[1].drops()
		}
	}
	return ab, ba
}

func (p *delayPipe) drops() Drops {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.queue.dropped
}

// openTUN makes a TUN device in the current namespace. The device lives as long
// as the file.
func openTUN(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrPermission) {
		return nil, &PrivilegeError{
			Need:        "access to /dev/net/tun",
			Alternative: "run as root, or use a topology without a delayed link",
			Err:         fmt.Errorf("open /dev/net/tun: %w", err),
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	req, err := unix.NewIfreq(name)
	if err == nil {
		req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("tun %s: %w", name, err)
	}
	// The device must exist before the runtime's poller sees the descriptor.
	return os.NewFile(uintptr(fd), "tun "+name), nil
}

func (p *delayPipe) read(tun *os.File) {
	defer close(p.done)
	buf := make([]byte, 65535)
	for {
		n, err := tun.Read(buf)
		if err != nil {
			return // closed
		}
		now := time.Now()
		p.mu.Lock()
		p.queue.Push(now, buf[:n])
		p.mu.Unlock()
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
}

func (p *delayPipe) write(tun *os.File) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		now := time.Now()
		p.mu.Lock()
		packet, ok := p.queue.Pop(now)
		next := p.queue.Next()
		p.mu.Unlock()
		if ok {
			// A device that is down refuses the packet: it is lost, as on a wire.
			if _, err := tun.Write(packet); errors.Is(err, os.ErrClosed) {
				return
			}
			continue
		}
		wait := time.Hour
		if !next.IsZero() {
			wait = next.Sub(now)
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-p.wake:
		case <-p.done:
			return
		}
	}
}

// Close ends both directions and removes the devices. Packets in flight are
// lost.
func (d *delayLink) Close() error {
	var errs []error
	for i, f := range d.tuns {
		if f != nil {
			errs = append(errs, f.Close())
			d.tuns[i] = nil
		}
	}
	d.wg.Wait()
	return errors.Join(errs...)
}
