package datapath

import (
	"net/netip"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
	"pathmtu/internal/netlab"
)

// counter counts and drops what an interface receives, in its XDP hook or at
// its ingress hook.
type counter struct {
	m    *ebpf.Map
	prog *ebpf.Program
	link link.Link
}

func countPackets(b *testing.B, ns *netlab.Namespace, ifname string, xdp bool, size int) *counter {
	c := &counter{}
	require.NoError(b, ns.Do(func() (err error) {
		l, err := netlink.LinkByName(ifname)
		if err != nil {
			return err
		}
		if c.m, err = ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: 1}); err != nil {
			return err
		}
		// Offsets in the context, and verdicts, differ between the hooks.
		ins := asm.Instructions{asm.LoadMem(asm.R3, asm.R1, 0, asm.Word)} // skb->len
		typ, drop, pass := ebpf.SchedCLS, int32(2), int32(-1)
		if xdp {
			typ, drop, pass = ebpf.XDP, xdpDrop, xdpPass
			ins = asm.Instructions{
				asm.LoadMem(asm.R2, asm.R1, ctxData, asm.Word),
				asm.LoadMem(asm.R3, asm.R1, ctxDataEnd, asm.Word),
				asm.Sub.Reg(asm.R3, asm.R2),
			}
		}
		c.prog, err = ebpf.NewProgram(&ebpf.ProgramSpec{Type: typ, License: programLicense, Instructions: append(ins,
			// The packets are known by their length: Neighbor Discovery passes.
			asm.JNE.Imm(asm.R3, int32(size), "pass"),
			asm.StoreImm(asm.RFP, -4, 0, asm.Word),
			asm.LoadMapPtr(asm.R1, c.m.FD()),
			asm.Mov.Reg(asm.R2, asm.RFP),
			asm.Add.Imm(asm.R2, -4),
			asm.FnMapLookupElem.Call(),
			asm.JEq.Imm(asm.R0, 0, "drop"),
			asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord),
			asm.Add.Imm(asm.R1, 1),
			asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
			asm.Mov.Imm(asm.R0, drop).WithSymbol("drop"),
			asm.Return(),
			asm.Mov.Imm(asm.R0, pass).WithSymbol("pass"),
			asm.Return(),
		)})
		if err != nil {
			return err
		}
		if xdp {
			c.link, err = link.AttachXDP(link.XDPOptions{Program: c.prog, Interface: l.Attrs().Index, Flags: link.XDPDriverMode})
		} else {
			c.link, err = link.AttachTCX(link.TCXOptions{Interface: l.Attrs().Index, Program: c.prog, Attach: ebpf.AttachTCXIngress})
		}
		return err
	}))
	return c
}

func (c *counter) n(b *testing.B) (sum uint64) {
	var per []uint64
	require.NoError(b, c.m.Lookup(uint32(0), &per))
	for _, n := range per {
		sum += n
	}
	return sum
}

func (c *counter) close() {
	_ = c.link.Close()
	_ = c.prog.Close()
	_ = c.m.Close()
}

// generator sends one packet over and over: from a socket's ring, or as XDP
// frames that a program makes in the kernel.
type generator struct {
	prog *ebpf.Program // nil: sock sends
	data []byte
	sock Port
	to   MAC
	fd   int // of a packet socket on a TUN interface; -1: none

	steady chan struct{} // closed when the rate can be measured, for frames
	thread pinned
}

// framesCall is how long one call of the kernel that makes frames should last.
// The kernel waits for an RCU grace period, some tens of milliseconds, at the
// end of each; what is measured must therefore lie inside one call.
const framesCall = 1500 * time.Millisecond

func newGenerator(b *testing.B, lab *netlab.Lab, ifname string, frames bool, size int) *generator {
	src, dst := netip.MustParseAddr("2001:db8:1::1"), netip.MustParseAddr("2001:db8:2::2")
	if ifname == "tuna" {
		src, dst = netip.MustParseAddr("2001:db8:a::1"), netip.MustParseAddr("2001:db8:b::1")
	}
	p := ip6.AppendHeader(nil, ip6.Fields{NextHeader: ip6.ProtoHopByHop, HopLimit: 64, Src: src, Dst: dst}, size-40)
	p = hbh.Option{Min: 9000, R: true}.AppendHeader(p, ip6.ProtoUDP)
	udp := make([]byte, size-len(p))
	copy(udp, []byte{0x13, 0x88, 0x13, 0x89, byte(len(udp) >> 8), byte(len(udp))})
	p = append(p, udp...)
	require.True(b, ip6.Packet(p).SetChecksum(ip6.Limits{}))

	g := &generator{fd: -1, steady: make(chan struct{})}
	if ifname == "tuna" {
		g.data = p
		require.NoError(b, lab.Node("cli").Do(func() (err error) {
			l, err := netlink.LinkByName(ifname)
			if err != nil {
				return err
			}
			if g.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
				return err
			}
			_ = unix.SetsockoptInt(g.fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1)
			return bindPacket(g.fd, l.Attrs().Index, etherIPv6)
		}))
		return g
	}
	var out, in netlink.Link
	require.NoError(b, lab.Node("cli").Do(func() (err error) { out, err = netlink.LinkByName("to-r1"); return }))
	require.NoError(b, lab.Node("r1").Do(func() (err error) { in, err = netlink.LinkByName("to-cli"); return }))
	var macs [12]byte
	copy(macs[:], in.Attrs().HardwareAddr)
	copy(macs[6:], out.Attrs().HardwareAddr)
	g.data = append(append(macs[:], 0x86, 0xdd), p...)
	if !frames {
		copy(g.to[:], macs[:])
		g.data = p
		require.NoError(b, lab.Node("cli").Do(func() (err error) {
			g.sock, err = OpenAFPacket(AFPacketConfig{Interface: "to-r1", NoShield: true, RingBytes: 1 << 20})
			return err
		}))
		return g
	}
	ins := asm.Instructions{
		asm.LoadMem(asm.R7, asm.R1, ctxData, asm.Word),
		asm.LoadMem(asm.R8, asm.R1, ctxDataEnd, asm.Word),
		asm.Mov.Reg(asm.R2, asm.R7),
		asm.Add.Imm(asm.R2, offHBH+8),
		asm.JGT.Reg(asm.R2, asm.R8, "drop"),
	}
	// Frames are used again after a router has changed them.
	for i, c := range macs {
		ins = append(ins, asm.StoreImm(asm.R7, int16(i), int64(c), asm.Byte))
	}
	ins = append(ins,
		asm.StoreImm(asm.R7, offHop, 64, asm.Byte),
		asm.StoreImm(asm.R7, offMinPMTU, 9000>>8, asm.Byte),
		asm.StoreImm(asm.R7, offMinPMTU+1, 9000&0xff, asm.Byte),
		asm.Mov.Imm(asm.R1, int32(out.Attrs().Index)),
		asm.Mov.Imm(asm.R2, 0),
		asm.FnRedirect.Call(),
		asm.Return(),
		asm.Mov.Imm(asm.R0, xdpDrop).WithSymbol("drop"),
		asm.Return(),
	)
	var err error
	g.prog, err = ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: programLicense, Instructions: ins})
	require.NoError(b, err)
	return g
}

// run sends from the first CPU until stop is closed or throughputMost packets
// were sent.
func (g *generator) run(b *testing.B, ns *netlab.Namespace, stop <-chan struct{}) {
	n := 0
	err := ns.Do(func() error {
		defer g.thread.enter()()
		for n < throughputMost {
			select {
			case <-stop:
				return nil
			default:
			}
			if g.prog != nil {
				return g.runFrames(stop)
			}
			if g.fd >= 0 {
				// A TUN interface has no ring; a full queue drops.
				for range throughputChunk {
					_, _ = unix.Write(g.fd, g.data)
				}
				n += throughputChunk
				continue
			}
			for range throughputChunk {
				// A full ring is the kernel's answer to being too fast.
				g.sock.Send(g.data, g.to)
			}
			_ = g.sock.Flush()
			n += throughputChunk
		}
		<-stop
		return nil
	})
	if err != nil {
		b.Errorf("generator: %v", err)
	}
}

// runFrames resolves the next hop and finds the rate with short calls, and then
// makes one call that lasts about framesCall.
func (g *generator) runFrames(stop <-chan struct{}) error {
	call := func(n uint32) error {
		_, err := g.prog.Run(&ebpf.RunOptions{Data: g.data, Repeat: n, Flags: unix.BPF_F_TEST_XDP_LIVE_FRAMES, BatchSize: 64})
		return err
	}
	// The first packets wait for Neighbor Discovery.
	for range 10 {
		if err := call(throughputChunk); err != nil {
			return err
		}
	}
	const sample = 1 << 19
	start := time.Now()
	if err := call(sample); err != nil {
		return err
	}
	n := float64(sample) * float64(framesCall) / float64(time.Since(start))
	close(g.steady)
	if err := call(uint32(min(n, throughputMost))); err != nil {
		return err
	}
	<-stop
	return nil
}

func (g *generator) close() {
	switch {
	case g.fd >= 0:
		_ = unix.Close(g.fd)
	case g.prog != nil:
		_ = g.prog.Close()
	default:
		_ = g.sock.Close()
	}
}
