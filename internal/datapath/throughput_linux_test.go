package datapath

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/labtest"
)

// BenchmarkThroughput prints how many packets a second each datapath forwards,
// beside the kernel's own forwarding in the same run:
//
//	go test ./internal/datapath -run '^$' -bench Throughput -benchtime 1x
//
// With PMTU_BENCH_REALTIME=1, as make bench-router runs it, it takes both CPUs from everything else meanwhile.
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
	labtest.Need(b, netlab.Capable(), "CAP_NET_ADMIN and CAP_SYS_ADMIN for network namespaces")
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
	sent := make(chan struct{})
	go func() { defer close(sent); g.run(b, lab.Node("cli").Namespace, stop) }()
	waitRate(b, count)
	if frames {
		<-g.steady
	}
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
