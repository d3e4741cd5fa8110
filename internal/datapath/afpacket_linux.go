package datapath

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// AFPacketConfig describes an AF_PACKET port.
type AFPacketConfig struct {
	Interface string
	// RingBytes is the memory of each ring. 0: 4 MiB.
	RingBytes int
	// NoShield leaves packets in transit to the kernel as well. Without it the
	// port hides them from the kernel, so that a kernel which forwards doesn't
	// send each of them a second time.
	NoShield bool
	// Solicitations makes a port that receives only Neighbor Solicitations to
	// the solicited-node multicast addresses of these addresses, and leaves
	// them to the kernel as well.
	Solicitations []netip.Addr
	// Local holds the addresses whose packets stay with the kernel. Needed
	// unless NoShield, or with Solicitations.
	Local *LocalSet
}

type packetPort struct {
	info   Info
	rx, tx int
	mtu    *mtuReader
	shield *shield
	rxRing rxRing
	txRing txRing
	c      counters
}

// OpenAFPacket opens a port on an Ethernet interface of the calling thread's
// namespace. It needs CAP_NET_RAW, and CAP_BPF with CAP_NET_ADMIN for the shield.
func OpenAFPacket(cfg AFPacketConfig) (_ Port, err error) {
	info, err := etherLink(cfg.Interface, KindAFPacket)
	if err != nil {
		return nil, err
	}
	if cfg.RingBytes == 0 {
		cfg.RingBytes = 4 << 20
	}
	if cfg.RingBytes < 1<<20 || cfg.RingBytes > 1<<28 {
		return nil, fmt.Errorf("datapath: ring of %d bytes: want 1 MiB to 256 MiB", cfg.RingBytes)
	}
	p := &packetPort{info: info, rx: -1, tx: -1}
	defer func() {
		if err != nil {
			_ = p.Close()
		}
	}()
	if p.mtu, err = newMTUReader(info.Name); err != nil {
		return nil, err
	}
	if !cfg.NoShield && cfg.Solicitations == nil {
		if p.shield, err = openShield(info.Index, cfg.Local); err != nil {
			return nil, err
		}
	}
	if p.rx, err = packetSocket(); err != nil {
		return nil, err
	}
	if err = p.openRx(cfg); err != nil {
		return nil, err
	}
	if p.tx, err = packetSocket(); err != nil {
		return nil, err
	}
	return p, p.openTx(cfg.RingBytes)
}

func packetSocket() (int, error) {
	// Protocol 0: nothing is received before bind.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, &NotSupportedError{Feature: "AF_PACKET", Reason: "can't open a packet socket (needs CAP_NET_RAW)", Err: err}
	}
	return fd, nil
}

func (p *packetPort) openRx(cfg AFPacketConfig) error {
	for _, o := range []struct{ name, value int }{
		{unix.PACKET_VERSION, unix.TPACKET_V3},
		{unix.PACKET_VNET_HDR, 1},
		{unix.PACKET_IGNORE_OUTGOING, 1},
	} {
		if err := unix.SetsockoptInt(p.rx, unix.SOL_PACKET, o.name, o.value); err != nil {
			return &NotSupportedError{Feature: "AF_PACKET", Reason: fmt.Sprintf("packet option %d", o.name), Err: err}
		}
	}
	filter := transitFilter
	if cfg.Solicitations != nil {
		filter = solicitationFilter
		if err := joinSolicitedNodes(p.rx, p.info.Index, cfg.Solicitations); err != nil {
			return err
		}
	}
	if err := attachFilter(p.rx, filter); err != nil {
		return err
	}
	if err := p.rxRing.open(p.rx, cfg.RingBytes); err != nil {
		return err
	}
	// ETH_P_ALL taps come before the ingress hook that the shield uses; a tap
	// of one protocol would come after it.
	return bindPacket(p.rx, p.info.Index, unix.ETH_P_ALL)
}

func (p *packetPort) openTx(ringBytes int) error {
	if err := unix.SetsockoptInt(p.tx, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V2); err != nil {
		return &NotSupportedError{Feature: "AF_PACKET transmit ring", Reason: "TPACKET_V2", Err: err}
	}
	for _, o := range []int{unix.PACKET_LOSS, unix.PACKET_QDISC_BYPASS} {
		if err := unix.SetsockoptInt(p.tx, unix.SOL_PACKET, o, 1); err != nil {
			return &NotSupportedError{Feature: "AF_PACKET transmit ring", Reason: fmt.Sprintf("packet option %d", o), Err: err}
		}
	}
	if err := p.txRing.open(p.tx, ringBytes, p.info.MTU); err != nil {
		return err
	}
	return bindPacket(p.tx, p.info.Index, 0)
}

func bindPacket(fd, index, proto int) error {
	be := uint16(proto)>>8 | uint16(proto)<<8
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: be, Ifindex: index}); err != nil {
		return fmt.Errorf("datapath: bind packet socket to interface %d: %w", index, err)
	}
	return nil
}

func (p *packetPort) Info() Info {
	p.info.MTU = p.mtu.read(p.info.MTU)
	return p.info
}

func (p *packetPort) FD() int { return p.rx }

func (p *packetPort) Stats() Stats {
	if st, err := unix.GetsockoptTpacketStatsV3(p.rx, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
		p.c.rxDropped.Add(uint64(st.Drops)) // asking resets the kernel's count
	}
	return p.c.snapshot()
}

func (p *packetPort) Recv(b *Batch) error { return p.rxRing.recv(b, &p.c) }
func (p *packetPort) Release()            { p.rxRing.release() }

func (p *packetPort) Send(pkt []byte, to MAC) bool {
	f := p.txRing.slot(len(pkt) + etherLen)
	if f == nil && p.txRing.pending > 0 {
		_ = p.Flush()
		f = p.txRing.slot(len(pkt) + etherLen)
	}
	if f == nil {
		p.c.txDropped.Add(1)
		return false
	}
	putEther(f, to, p.info.MAC)
	copy(f[etherLen:], pkt)
	p.txRing.commit()
	p.c.txPackets.Add(1)
	p.c.txBytes.Add(uint64(len(pkt)))
	return true
}

func (p *packetPort) Flush() error {
	if p.txRing.pending == 0 {
		return nil
	}
	p.txRing.pending = 0
	return kick(p.tx, &p.c)
}

// kick makes the kernel send what the ring of a socket holds. Errors that only
// mean "not all of it now" are no errors.
func kick(fd int, c *counters) error {
	c.kicks.Add(1)
	// sendto(fd, NULL, 0, MSG_DONTWAIT): bounded work that doesn't sleep.
	_, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), 0, 0, unix.MSG_DONTWAIT, 0, 0)
	switch e {
	case 0, unix.EAGAIN, unix.ENOBUFS, unix.EBUSY, unix.EINTR:
		return nil
	case unix.ENETDOWN, unix.ENXIO, unix.ENODEV:
		// The interface is down or gone. The other ports go on.
		return nil
	}
	return fmt.Errorf("datapath: transmit: %w", e)
}

func (p *packetPort) Close() error {
	if p.rx == -2 {
		return ErrClosed
	}
	p.shield.close()
	p.rxRing.close()
	p.txRing.close()
	for _, fd := range []int{p.rx, p.tx} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
	p.rx, p.tx = -2, -2
	if p.mtu != nil {
		p.mtu.close()
	}
	return nil
}

// word returns a 32-bit word of memory that is shared with the kernel.
func word(mem []byte, off int) *uint32 { return (*uint32)(unsafe.Pointer(&mem[off])) }

func loadWord(mem []byte, off int) uint32     { return atomic.LoadUint32(word(mem, off)) }
func storeWord(mem []byte, off int, v uint32) { atomic.StoreUint32(word(mem, off), v) }
