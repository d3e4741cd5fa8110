package datapath

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// AFXDPConfig describes an AF_XDP port.
type AFXDPConfig struct {
	Interface string
	Local     *LocalSet // addresses whose packets stay with the kernel
	Fast      *FastPath // forwards plain packets before the port sees them; may be nil
	Generic   bool      // accept the kernel's generic XDP hook when the driver has none; slow
}

type xskPort struct {
	info    Info
	mtu     *mtuReader
	prog    *xdpProgram
	x       xskRings
	pending uint32
	joined  []byte // for packets that span chunks: BatchSize buffers
	c       counters
}

// joinedSize is the room for one packet that spans chunks.
const joinedSize = 1 << 17

// OpenAFXDP opens a port on an Ethernet interface of the calling thread's
// namespace. The interface may have one receive queue only.
// It needs CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF.
func OpenAFXDP(cfg AFXDPConfig) (_ Port, err error) {
	info, err := etherLink(cfg.Interface, KindAFXDP)
	if err != nil {
		return nil, err
	}
	if cfg.Local == nil {
		return nil, errors.New("datapath: AFXDPConfig.Local is nil")
	}
	p := &xskPort{info: info, x: xskRings{fd: -1}}
	defer func() {
		if err != nil {
			_ = p.Close()
		}
	}()
	if p.mtu, err = newMTUReader(info.Name); err != nil {
		return nil, err
	}
	if n := p.mtu.rxQueues(info.Name); n != 1 {
		return nil, &NotSupportedError{Feature: "AF_XDP", Reason: fmt.Sprintf("interface %q has %d receive queues; set one (ethtool -L %s combined 1)", info.Name, n, info.Name)}
	}
	if err = p.x.open(info.Index, 0, info.MTU); err != nil {
		return nil, err
	}
	if p.x.sg {
		if p.joined, err = unix.Mmap(-1, 0, BatchSize*joinedSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS); err != nil {
			return nil, fmt.Errorf("datapath: packet memory: %w", err)
		}
	}
	if p.prog, err = loadXDP(info.Index, cfg.Local, cfg.Fast, 1, true); err != nil {
		return nil, err
	}
	if err = p.prog.xsks.Put(uint32(0), uint32(p.x.fd)); err != nil {
		return nil, &NotSupportedError{Feature: "AF_XDP", Reason: "can't enter the socket in the map", Err: err}
	}
	return p, p.prog.attach(info.Index, cfg.Generic)
}

func (p *xskPort) Info() Info {
	p.info.MTU = p.mtu.read(p.info.MTU)
	return p.info
}

func (p *xskPort) FD() int { return p.x.fd }

func (p *xskPort) Stats() Stats {
	s := p.c.snapshot()
	var st unix.XDPStatistics
	n := uint32(unsafe.Sizeof(st))
	if _, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(p.x.fd), unix.SOL_XDP, unix.XDP_STATISTICS, uintptr(unsafe.Pointer(&st)), uintptr(unsafe.Pointer(&n)), 0); e == 0 {
		s.RxDropped += st.Rx_dropped + st.Rx_ring_full
	}
	return s
}

func (p *xskPort) Recv(b *Batch) error {
	x := &p.x
	if x.area == nil {
		return ErrClosed
	}
	for n := x.rx.waiting(); n > 0 && !b.Full(); {
		d := x.rx.packet(x.rx.pos)
		var frame []byte
		if d.Options&unix.XDP_PKT_CONTD == 0 {
			frame = x.take(d)
			n--
		} else {
			var used uint32
			if frame, used = p.join(p.joined[b.N*joinedSize:][:0:joinedSize], n); used == 0 {
				break // its end isn't there yet
			}
			n -= used
		}
		if len(frame) < etherLen {
			p.c.malformed.Add(1)
			continue
		}
		pkt, ok := ipv6Packet(frame[etherLen:])
		if !ok {
			p.c.malformed.Add(1)
			continue
		}
		p.c.rxPackets.Add(1)
		p.c.rxBytes.Add(uint64(len(pkt)))
		b.add(pkt)
	}
	x.rx.consumed()
	return nil
}

// take consumes one descriptor of the receive ring.
func (x *xskRings) take(d *unix.XDPDesc) []byte {
	off := int(d.Addr)
	x.lent = append(x.lent, d.Addr&^uint64(x.chunk-1))
	x.rx.pos++
	return x.area[off : off+int(d.Len)]
}

// join copies the chunks of one packet, out of n descriptors, into buf.
func (p *xskPort) join(buf []byte, n uint32) (frame []byte, used uint32) {
	x := &p.x
	for used = 1; x.rx.packet(x.rx.pos+used-1).Options&unix.XDP_PKT_CONTD != 0; used++ {
		if used == n {
			return nil, 0
		}
	}
	for range used {
		part := x.take(x.rx.packet(x.rx.pos))
		if len(buf)+len(part) <= cap(buf) {
			buf = append(buf, part...)
		}
	}
	return buf, used
}

func (p *xskPort) Release() {
	x := &p.x
	if len(x.lent) == 0 {
		return
	}
	for _, a := range x.lent {
		*x.fill.addr(x.fill.pos) = a
		x.fill.pos++
	}
	x.lent = x.lent[:0]
	x.fill.produced()
}

// reclaim takes back the chunks that the kernel has sent.
func (x *xskRings) reclaim() {
	n := x.comp.waiting()
	for range n {
		x.free = append(x.free, *x.comp.addr(x.comp.pos))
		x.comp.pos++
	}
	if n > 0 {
		x.comp.consumed()
	}
}

func (p *xskPort) Send(pkt []byte, to MAC) bool {
	x := &p.x
	parts := (len(pkt) + etherLen + x.chunk - 1) / x.chunk
	if x.area == nil || parts > 1 && !x.sg || len(x.free) < parts && !p.refill(parts) {
		p.c.txDropped.Add(1)
		return false
	}
	head := etherLen
	for rest := pkt; parts > 0; parts-- {
		a := x.free[len(x.free)-1]
		x.free = x.free[:len(x.free)-1]
		buf := x.area[a : a+uint64(x.chunk)]
		if head > 0 {
			putEther(buf, to, p.info.MAC)
		}
		n := copy(buf[head:], rest)
		d := x.tx.packet(x.tx.pos)
		*d = unix.XDPDesc{Addr: a, Len: uint32(head + n)}
		if parts > 1 {
			d.Options = unix.XDP_PKT_CONTD
		}
		rest, head = rest[n:], 0
		x.tx.pos++
		p.pending++
	}
	p.c.txPackets.Add(1)
	p.c.txBytes.Add(uint64(len(pkt)))
	return true
}

// refill gets at least n chunks for transmission, sending what is queued when
// that is what it takes. The transmit ring has as many places as there are
// chunks, so that a free chunk implies a free place.
func (p *xskPort) refill(n int) bool {
	p.x.reclaim()
	if len(p.x.free) < n && p.pending > 0 {
		_ = p.Flush()
	}
	return len(p.x.free) >= n
}

func (p *xskPort) Flush() error {
	x := &p.x
	if p.pending == 0 {
		return nil
	}
	x.tx.produced()
	// A call sends a bounded number of packets; an old kernel's bound is 32.
	for tries := int(p.pending)/32 + 2; tries > 0 && x.tx.used() > 0; tries-- {
		if err := kick(x.fd, &p.c); err != nil {
			return err
		}
	}
	p.pending = x.tx.used()
	x.reclaim()
	return nil
}

func (p *xskPort) Close() error {
	if p.mtu == nil {
		return ErrClosed
	}
	p.prog.close()
	p.x.close()
	if p.joined != nil {
		_ = unix.Munmap(p.joined)
		p.joined = nil
	}
	p.mtu.close()
	p.mtu = nil
	return nil
}
