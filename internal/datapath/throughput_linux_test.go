package datapath

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
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

// BenchmarkThroughput prints how many packets a second each datapath forwards,
// beside the kernel's own forwarding in the same run:
//
//	go test ./internal/datapath -run '^$' -bench Throughput -benchtime 1x
//
// With PMTU_BENCH_REALTIME=1 it takes both CPUs from everything else meanwhile.
//
//	generator (cli) --veth-- router (r1) --veth-- counter (srv)
//
// All packets carry the option of RFC 9268. There are two regimes, because the
// kernel's own forwarding depends so much on how packets reach a veth:
//
//   - socket: cli sends ordinary packets, as hosts on this machine do (from an
//     AF_PACKET ring). No interface has GRO or an XDP program, unless the
//     router needs one.
//   - frames: cli makes XDP frames inside the kernel, faster than any router
//     forwards them; r1 has GRO, which lets its veth take frames.
//
// "Of its own" is the CPU time that forwarding adds to that of the generator, for
// the datapaths that share its CPU; "drop" forwards nothing and shows the most
// that generator and veth allow.
//
// The receiver srv drops packets at its ingress hook, after the work that every
// received packet costs; for the XDP fast path it drops them in its XDP hook,
// without which its veth would not take them.
//
// The generator and the kernel's forwarding share a CPU, as they do with any
// veth; user-space routers have the other one. Each run is bounded in time and
// packets, the rounds take turns, and the table shows medians. "CPU" is the
// share of its CPU that the forwarding thread got (for the kernel, the
// generator's): on a busy machine it is small, and the rates mean little; the
// comparison "for each CPU second" then tells more about the router's own work.
func BenchmarkThroughput(b *testing.B) {
	if !netlab.Capable() {
		b.Skip("needs root or capabilities for namespaces")
	}
	for b.Loop() {
		for _, size := range []int{80, 1280} {
			ordinary := throughput(b, false, size, 0)
			throughput(b, true, size, ordinary)
		}
	}
	b.ReportMetric(0, "ns/op")
}

// realtime puts the threads before everything else on the machine, which then
// hardly gets any CPU: for a busy machine whose other work can wait.
var realtime = os.Getenv("PMTU_BENCH_REALTIME") != ""

const (
	throughputRounds = 5
	throughputTime   = 400 * time.Millisecond // measured
	throughputChunk  = 1 << 13                // packets of one call of the generator
	throughputMost   = 8 << 20                // packets of one run
)

// throughput measures one regime and returns the kernel's rate. Ordinary is
// that of the other regime, 0 when it is not known yet.
func throughput(b *testing.B, frames bool, size int, ordinary float64) (kernel float64) {
	regime := map[bool]string{false: "socket", true: "frames"}[frames]
	all := append([]mode{{"kernel", "", false}}, modes...)
	if frames {
		all = append(all, mode{"drop", kindDrop, false})
	} else {
		all = append(all, mode{"tun", KindTUN, false}) // no XDP frames without a link layer
	}
	rates, shares := map[string][]float64{}, map[string][]float64{}
	lost := softnetDropped(b)
	for range throughputRounds {
		for _, m := range all {
			rate, share := measure(b, m, frames, size)
			rates[m.name], shares[m.name] = append(rates[m.name], rate), append(shares[m.name], share)
		}
	}
	base, baseShare := median(rates["kernel"]), median(shares["kernel"])
	// What the generator alone costs, in CPU seconds a packet.
	var generator float64
	if frames {
		generator = median(shares["drop"]) / median(rates["drop"])
	}
	for _, m := range all {
		r, share := median(rates[m.name]), median(shares[m.name])
		b.ReportMetric(r/base, fmt.Sprintf("%s-%s-%d/kernel", m.name, regime, size))
		line := fmt.Sprintf("%s, %4d B  %-9s %9.0f packets/s  %5.2f of kernel forwarding", regime, size, m.name, r, r/base)
		if ordinary > 0 {
			line += fmt.Sprintf(", %5.2f of it in regime socket", r/ordinary)
		}
		if frames && (m.kind == "" || m.fast) {
			line += fmt.Sprintf(", %.0f ns of its own", 1e9*(share/r-generator))
		}
		fmt.Printf("%s, %5.2f for each CPU second  (%.0f to %.0f; CPU %.0f %%)\n", line, r/share/(base/baseShare),
			slices.Min(rates[m.name]), slices.Max(rates[m.name]), 100*share)
	}
	fmt.Printf("%s, %4d B  backlog drops of this machine meanwhile: %d\n", regime, size, softnetDropped(b)-lost)
	return base
}

// kindDrop is no datapath: r1 drops everything in its XDP hook, which shows what
// generator and veth allow at most.
const kindDrop = Kind("drop")

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return x[len(x)/2]
}

// softnetDropped is the sum of column 2 of softnet_stat: packets dropped
// because a CPU's backlog, which all namespaces share, was full.
func softnetDropped(b *testing.B) (n uint64) {
	text, err := os.ReadFile("/proc/net/softnet_stat")
	require.NoError(b, err)
	for line := range strings.Lines(string(text)) {
		d, err := strconv.ParseUint(strings.Fields(line)[1], 16, 64)
		require.NoError(b, err)
		n += d
	}
	return n
}

// measure returns the packets a second that one datapath delivers, and the CPU
// share of the thread that forwards.
func measure(b *testing.B, m mode, frames bool, size int) (rate, share float64) {
	top := netlab.Chain("tp", netlab.PTB{}, 1500, 1400)
	if m.kind != "" && !m.fast {
		top.Nodes[1].Kind = netlab.Host
	}
	lab, err := netlab.Build(b.Context(), top)
	require.NoError(b, err)
	defer lab.Close()
	r1 := lab.Node("r1")
	if frames {
		// With GRO a veth takes XDP frames without an XDP program.
		_, errOut, err := r1.Run(b.Context(), "ethtool", "-K", "to-cli", "gro", "on")
		require.NoError(b, err, "%s", errOut)
	}
	router := &pinned{cpu: runtime.NumCPU() - 1}
	srv, out := lab.Node("srv").Namespace, "to-r1"
	var count *counter
	if m.kind == kindDrop {
		count = countPackets(b, r1.Namespace, "to-cli", true, size+etherLen)
	} else if m.kind == KindTUN {
		out = "tuna"
		defer startPinned(b, r1, router, tunConfig())()
		moveTUNs(b, lab)
		count = countPackets(b, srv, "tunb", false, size)
	} else {
		// The fast path looks at what the receiver takes when it starts.
		count = countPackets(b, srv, "to-r1", m.fast, size+etherLen)
		if m.kind != "" {
			defer startPinned(b, r1, router, UserRouterConfig{Ports: portSpecs(m.kind), KernelRoutes: true, FastPath: m.fast})()
		}
	}
	defer count.close()
	g := newGenerator(b, lab, out, frames, size)
	defer g.close()

	stop := make(chan struct{})
	sent := make(chan uint64)
	go func() { sent <- g.run(b, lab.Node("cli").Namespace, stop) }()
	waitRate(b, count)
	time.Sleep(100 * time.Millisecond)
	forwarder := router
	if m.kind == "" || m.kind == kindDrop || m.fast {
		forwarder = &g.thread
	}
	n0, t0, c0 := count.n(b), time.Now(), forwarder.cpuTime(b)
	time.Sleep(throughputTime)
	n1, t1, c1 := count.n(b), time.Now(), forwarder.cpuTime(b)
	close(stop)
	<-sent
	return float64(n1-n0) / t1.Sub(t0).Seconds(), (c1 - c0).Seconds() / t1.Sub(t0).Seconds()
}

// waitRate waits until packets arrive: the next hop is resolved then.
func waitRate(b *testing.B, c *counter) {
	deadline := time.Now().Add(5 * time.Second)
	for c.n(b) < 1000 {
		require.True(b, time.Now().Before(deadline), "nothing arrives")
		time.Sleep(5 * time.Millisecond)
	}
}

// startPinned runs a router on the second CPU, away from the generator.
func startPinned(b *testing.B, node *netlab.LiveNode, thread *pinned, cfg UserRouterConfig) (stop func()) {
	var u *UserRouter
	require.NoError(b, node.Do(func() (err error) {
		u, err = OpenUserRouter(cfg)
		return err
	}))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		// The thread ends with the goroutine, so that its pinning harms nobody.
		runtime.LockOSThread()
		thread.enter()
		done <- u.Run(ctx)
	}()
	return func() {
		cancel()
		require.NoError(b, <-done)
		require.NoError(b, u.Close())
	}
}

// pinned is a thread on one CPU, before all ordinary threads.
type pinned struct {
	cpu int
	tid atomic.Int64
}

// enter makes the calling thread the one.
func (p *pinned) enter() (leave func()) {
	var before, set unix.CPUSet
	_ = unix.SchedGetaffinity(0, &before)
	set.Set(p.cpu)
	_ = unix.SchedSetaffinity(0, &set)
	tid := unix.Gettid()
	_ = unix.Setpriority(unix.PRIO_PROCESS, tid, -19)
	if realtime {
		_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}, 0)
	}
	p.tid.Store(int64(tid))
	return func() {
		if realtime {
			_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr}, 0)
		}
		_ = unix.SchedSetaffinity(0, &before)
		_ = unix.Setpriority(unix.PRIO_PROCESS, tid, 0)
	}
}

// cpuTime is the CPU time that the thread has used, interrupts in it included.
func (p *pinned) cpuTime(b *testing.B) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/schedstat", p.tid.Load()))
	require.NoError(b, err)
	ns, err := strconv.ParseInt(strings.Fields(string(text))[0], 10, 64)
	require.NoError(b, err)
	return time.Duration(ns)
}

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

	thread pinned
}

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

	g := &generator{fd: -1}
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
func (g *generator) run(b *testing.B, ns *netlab.Namespace, stop <-chan struct{}) (n uint64) {
	err := ns.Do(func() error {
		defer g.thread.enter()()
		for n < throughputMost {
			select {
			case <-stop:
				return nil
			default:
			}
			if g.fd >= 0 {
				// A TUN interface has no ring; a full queue drops.
				for range throughputChunk {
					_, _ = unix.Write(g.fd, g.data)
				}
				n += throughputChunk
				continue
			}
			if g.prog == nil {
				for range throughputChunk {
					// A full ring is the kernel's answer to being too fast.
					g.sock.Send(g.data, g.to)
				}
				_ = g.sock.Flush()
				n += throughputChunk
				continue
			}
			_, err := g.prog.Run(&ebpf.RunOptions{Data: g.data, Repeat: throughputChunk, Flags: unix.BPF_F_TEST_XDP_LIVE_FRAMES, BatchSize: 64})
			if err != nil {
				return err
			}
			n += throughputChunk
		}
		<-stop
		return nil
	})
	if err != nil {
		b.Errorf("generator: %v", err)
	}
	return n
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
