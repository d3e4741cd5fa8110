package datapath

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ring is one of the four rings of an AF_XDP socket: single producer, single
// consumer, with indices that run freely and wrap at 2^32.
type ring struct {
	mem        []byte
	prod, cons *uint32
	flags      *uint32
	desc       unsafe.Pointer
	mask       uint32
	pos        uint32 // our side's index: consumer or producer
}

func mapRing(fd int, off unix.XDPRingOffset, pgoff int64, size, descSize uintptr) (ring, error) {
	mem, err := unix.Mmap(fd, pgoff, int(uintptr(off.Desc)+size*descSize), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return ring{}, fmt.Errorf("datapath: map AF_XDP ring: %w", err)
	}
	return ring{
		mem:   mem,
		prod:  word(mem, int(off.Producer)),
		cons:  word(mem, int(off.Consumer)),
		flags: word(mem, int(off.Flags)),
		desc:  unsafe.Pointer(&mem[off.Desc]),
		mask:  uint32(size - 1),
	}, nil
}

// waiting is the number of entries that the kernel produced and we didn't take.
func (r *ring) waiting() uint32 { return atomic.LoadUint32(r.prod) - r.pos }

// used is the number of entries that we produced and the kernel didn't take.
func (r *ring) used() uint32 { return r.pos - atomic.LoadUint32(r.cons) }

func (r *ring) addr(i uint32) *uint64 {
	return (*uint64)(unsafe.Add(r.desc, uintptr(i&r.mask)*8))
}

func (r *ring) packet(i uint32) *unix.XDPDesc {
	return (*unix.XDPDesc)(unsafe.Add(r.desc, uintptr(i&r.mask)*unsafe.Sizeof(unix.XDPDesc{})))
}

// produced publishes our entries up to pos; consumed gives places back.
func (r *ring) produced() { atomic.StoreUint32(r.prod, r.pos) }
func (r *ring) consumed() { atomic.StoreUint32(r.cons, r.pos) }

func (r *ring) close() {
	if r.mem != nil {
		_ = unix.Munmap(r.mem)
		r.mem = nil
	}
}

// xskRings are the rings of one socket over one area of packet memory.
type xskRings struct {
	fd             int
	area           []byte
	chunk          int
	fill, comp     ring
	rx, tx         ring
	free           []uint64 // chunks for transmission that nobody uses
	lent           []uint64 // chunks of the last batch, to fill the ring with
	sg             bool     // packets may span several chunks
	queue, entries int
}

const xskEntries = 1024 // of each ring; a power of two

func (x *xskRings) open(index, queue, mtu int) (err error) {
	x.queue, x.entries = queue, xskEntries
	if x.fd, err = unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
		return &NotSupportedError{Feature: "AF_XDP", Reason: "can't open a socket (needs a kernel with XDP_SOCKETS, and CAP_NET_RAW)", Err: err}
	}
	// The kernel keeps 256 bytes of every chunk to itself.
	x.chunk = 2048
	if mtu+etherLen > x.chunk-unix.XDP_PACKET_HEADROOM {
		x.chunk = 4096
	}
	x.sg = mtu+etherLen > x.chunk-unix.XDP_PACKET_HEADROOM
	n := 2 * x.entries
	if x.area, err = unix.Mmap(-1, 0, n*x.chunk, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_POPULATE); err != nil {
		return fmt.Errorf("datapath: packet memory: %w", err)
	}
	reg := unix.XDPUmemReg{Addr: uint64(uintptr(unsafe.Pointer(&x.area[0]))), Len: uint64(len(x.area)), Size: uint32(x.chunk)}
	if err := setsockopt(x.fd, unix.SOL_XDP, unix.XDP_UMEM_REG, unsafe.Pointer(&reg), unsafe.Sizeof(reg)); err != nil {
		return &NotSupportedError{Feature: "AF_XDP", Reason: "packet memory was refused", Err: err}
	}
	for _, o := range []int{unix.XDP_UMEM_FILL_RING, unix.XDP_UMEM_COMPLETION_RING, unix.XDP_RX_RING, unix.XDP_TX_RING} {
		if err := unix.SetsockoptInt(x.fd, unix.SOL_XDP, o, x.entries); err != nil {
			return &NotSupportedError{Feature: "AF_XDP", Reason: "a ring was refused", Err: err}
		}
	}
	if err := x.mapAll(); err != nil {
		return err
	}
	// Both only save system calls; old kernels do without.
	_ = unix.SetsockoptInt(x.fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 32<<20)
	_ = unix.SetsockoptInt(x.fd, unix.SOL_XDP, unix.XDP_MAX_TX_SKB_BUDGET, x.entries)
	x.lent = make([]uint64, 0, x.entries)
	x.free = make([]uint64, 0, x.entries)
	for i := range x.entries {
		*x.fill.addr(uint32(i)) = uint64(i * x.chunk)
		x.free = append(x.free, uint64((x.entries+i)*x.chunk))
	}
	x.fill.pos = uint32(x.entries)
	x.fill.produced()
	flags := uint16(unix.XDP_COPY | unix.XDP_USE_NEED_WAKEUP)
	if x.sg {
		flags |= unix.XDP_USE_SG
	}
	if err := bindXSK(x.fd, &unix.SockaddrXDP{Flags: flags, Ifindex: uint32(index), QueueID: uint32(queue)}); err != nil {
		return &NotSupportedError{Feature: "AF_XDP", Reason: fmt.Sprintf("can't bind to queue %d of interface %d", queue, index), Err: err}
	}
	return nil
}

// bindXSK waits a moment for a queue that is busy: the kernel frees the queue
// of a closed socket some time after close.
func bindXSK(fd int, sa unix.Sockaddr) error {
	for tries := 0; ; tries++ {
		err := unix.Bind(fd, sa)
		if !errors.Is(err, unix.EBUSY) || tries == 100 {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (x *xskRings) mapAll() error {
	var off unix.XDPMmapOffsets
	n := uint32(unsafe.Sizeof(off))
	if _, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(x.fd), unix.SOL_XDP, unix.XDP_MMAP_OFFSETS, uintptr(unsafe.Pointer(&off)), uintptr(unsafe.Pointer(&n)), 0); e != 0 || n != uint32(unsafe.Sizeof(off)) {
		return &NotSupportedError{Feature: "AF_XDP", Reason: "ring offsets (needs Linux 5.4)", Err: e}
	}
	descSize := unsafe.Sizeof(unix.XDPDesc{})
	for _, r := range []struct {
		to    *ring
		off   unix.XDPRingOffset
		pgoff int64
		size  uintptr
	}{
		{&x.rx, off.Rx, unix.XDP_PGOFF_RX_RING, descSize},
		{&x.tx, off.Tx, unix.XDP_PGOFF_TX_RING, descSize},
		{&x.fill, off.Fr, unix.XDP_UMEM_PGOFF_FILL_RING, 8},
		{&x.comp, off.Cr, unix.XDP_UMEM_PGOFF_COMPLETION_RING, 8},
	} {
		var err error
		if *r.to, err = mapRing(x.fd, r.off, r.pgoff, uintptr(x.entries), r.size); err != nil {
			return err
		}
	}
	return nil
}

func setsockopt(fd, level, opt int, p unsafe.Pointer, n uintptr) error {
	if _, _, e := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(opt), uintptr(p), n, 0); e != 0 {
		return e
	}
	return nil
}

func (x *xskRings) close() {
	if x.fd > 0 {
		_ = unix.Close(x.fd)
	}
	x.fd = -1
	for _, r := range []*ring{&x.fill, &x.comp, &x.rx, &x.tx} {
		r.close()
	}
	if x.area != nil {
		_ = unix.Munmap(x.area)
		x.area = nil
	}
}
