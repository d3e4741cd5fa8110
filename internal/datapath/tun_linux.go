package datapath

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TUNConfig describes a TUN port.
type TUNConfig struct {
	Name string // interface to create, or a persistent one to use
	MTU  int    // bytes; 0 keeps what the interface has
}

type tunPort struct {
	info Info
	fd   int
	mtu  *mtuReader
	buf  [BatchSize][]byte
	mem  []byte
	c    counters
}

// OpenTUN creates a TUN interface in the namespace of the calling thread, or
// attaches to an existing one, sets its MTU and brings it up. The interface
// may be moved to another namespace afterwards: the port goes on working, but
// Info then repeats the last MTU that it knew. A created interface vanishes
// with Close.
func OpenTUN(cfg TUNConfig) (Port, error) {
	if cfg.MTU != 0 && (cfg.MTU < 1280 || cfg.MTU > 65535) {
		return nil, fmt.Errorf("datapath: tun %q: MTU %d: want 1280 to 65535", cfg.Name, cfg.MTU)
	}
	ifr, err := unix.NewIfreq(cfg.Name)
	if err != nil {
		return nil, fmt.Errorf("datapath: interface name %q: %w", cfg.Name, err)
	}
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &NotSupportedError{Feature: "TUN", Reason: "can't open /dev/net/tun", Err: err}
	}
	ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		_ = unix.Close(fd)
		return nil, &NotSupportedError{Feature: "TUN", Reason: fmt.Sprintf("can't make interface %q (needs CAP_NET_ADMIN)", cfg.Name), Err: err}
	}
	p := &tunPort{fd: fd}
	if err := p.up(ifr.Name(), cfg.MTU); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return p, nil
}

func (p *tunPort) up(name string, mtu int) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("datapath: interface %q: %w", name, err)
	}
	if mtu != 0 {
		if err := netlink.LinkSetMTU(l, mtu); err != nil {
			return fmt.Errorf("datapath: interface %q: MTU %d: %w", name, mtu, err)
		}
	}
	if err := netlink.LinkSetUp(l); err != nil {
		return fmt.Errorf("datapath: interface %q: up: %w", name, err)
	}
	if p.info, _, err = linkInfo(name); err != nil {
		return err
	}
	p.info.Kind = KindTUN
	p.info.MAC = MAC{}
	// Pages of the buffers are only used when a packet of that length comes.
	p.mem, err = unix.Mmap(-1, 0, BatchSize*(1<<17), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("datapath: buffers: %w", err)
	}
	for i := range p.buf {
		p.buf[i] = p.mem[i<<17 : (i+1)<<17]
	}
	p.mtu, err = newMTUReader(name)
	return err
}

func (p *tunPort) Info() Info {
	p.info.MTU = p.mtu.read(p.info.MTU)
	return p.info
}

func (p *tunPort) FD() int      { return p.fd }
func (p *tunPort) Stats() Stats { return p.c.snapshot() }
func (p *tunPort) Release()     {}
func (p *tunPort) Flush() error { return nil }

func (p *tunPort) Recv(b *Batch) error {
	for !b.Full() {
		buf := p.buf[b.N]
		n, err := unix.Read(p.fd, buf)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EIO), errors.Is(err, unix.EBADFD):
			// The interface is down or was deleted: nothing to read.
			return nil
		case err != nil:
			return fmt.Errorf("datapath: read from %s: %w", p.info.Name, err)
		}
		if n > 0 && buf[0]>>4 != 6 {
			continue // IPv4 of the kernel's own making: not ours
		}
		pkt, ok := ipv6Packet(buf[:n])
		if !ok {
			p.c.malformed.Add(1)
			continue
		}
		p.c.rxPackets.Add(1)
		p.c.rxBytes.Add(uint64(len(pkt)))
		b.add(pkt)
	}
	return nil
}

func (p *tunPort) Send(pkt []byte, _ MAC) bool {
	p.c.kicks.Add(1)
	if _, err := unix.Write(p.fd, pkt); err != nil {
		p.c.txDropped.Add(1)
		return false
	}
	p.c.txPackets.Add(1)
	p.c.txBytes.Add(uint64(len(pkt)))
	return true
}

func (p *tunPort) Close() error {
	if p.fd < 0 {
		return ErrClosed
	}
	err := unix.Close(p.fd)
	p.fd = -1
	p.mtu.close()
	_ = unix.Munmap(p.mem)
	return err
}
