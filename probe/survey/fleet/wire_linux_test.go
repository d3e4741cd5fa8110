package fleet_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"pathmtu/internal/netlab/internet"
	"pathmtu/internal/netlab/wiretap"
	"pathmtu/probe/survey"
	"pathmtu/probe/survey/fleet"
	"pathmtu/probe/survey/fleet/natsfleet"
)

// wire is what leaves for the targets from all places together, by the kernel's
// clock, which is the same for all of them.
type wire struct {
	mu      sync.Mutex
	packets []wiretap.Packet
	from    []int // each, in the number of packets
}

// watch observes the link of each place to its targets.
func watch(t *testing.T, p *places) *wire {
	w := &wire{from: make([]int, len(p.at))}
	for i, l := range p.at {
		tap, err := wiretap.Open(l.Namespace, internet.Device, func(k wiretap.Packet) {
			if !k.Out || k.Version != 4 || k.Proto != unix.IPPROTO_ICMP {
				return
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.packets = append(w.packets, k)
			w.from[i]++
		})
		require.NoError(t, err)
		t.Cleanup(func() {
			lost, err := tap.Lost()
			assert.NoError(t, err)
			assert.Zero(t, lost, "the tap of place %d missed packets", i)
			assert.NoError(t, tap.Close())
		})
	}
	return w
}

// sent returns how many packets left a place.
func (w *wire) sent(i int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.from[i]
}

// await waits until a place has sent some packets more.
func (w *wire) await(ctx context.Context, t *testing.T, i, more int) {
	for want := w.sent(i) + more; w.sent(i) < want; time.Sleep(10 * time.Millisecond) {
		require.NoError(t, ctx.Err(), "place %d has sent %d packets, want %d", i, w.sent(i), want)
	}
}

// sendings returns the packets to a network as such, and as bits.
func (w *wire) sendings(to netip.Prefix) (packets, bits []sending) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range w.packets {
		if to.Contains(k.To) {
			packets = append(packets, sending{k.At, 1})
			bits = append(bits, sending{k.At, 8 * float64(k.Size)})
		}
	}
	return packets, bits
}

// TestRatesOnTheWire: three workers in three namespaces measure one list under
// one bound. They come one after the other, are killed and come again, and at no
// time do all of them together send more than the bound, and a burst that is
// known. What is counted are packets on the links to the targets.
func TestRatesOnTheWire(t *testing.T) {
	everywhere := netip.MustParsePrefix("0.0.0.0/0")
	spread := func() (all []netip.Addr) {
		seq, err := internet.Targets(1, 4, 4000)
		require.NoError(t, err)
		for a := range seq {
			all = append(all, a)
		}
		return all
	}
	var nets []netip.Prefix
	dense := func() (all []netip.Addr) {
		for i := range 3 {
			net := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 1, byte(i), 0}), 24)
			nets = append(nets, net)
			for a := net.Addr().Next(); net.Contains(a); a = a.Next() {
				all = append(all, a)
			}
		}
		return all
	}()
	for _, c := range []struct {
		name    string
		targets []netip.Addr
		flags   []string
		shard   int
		to      []netip.Prefix
		bound   survey.Rates
		burst   time.Duration
	}{
		{"in all", spread(), []string{"--rate", "240", "--bandwidth", "1500K", "--net-rate", "0"}, 60,
			[]netip.Prefix{everywhere}, survey.Rates{Packets: 240, Bits: 1.5e6}, survey.Burst},
		{"to a network", dense, []string{"--rate", "0", "--bandwidth", "0", "--net-rate", "40", "--net-bandwidth", "300K"}, 80,
			nets, survey.Rates{Packets: 40, Bits: 3e5}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := buildPlaces(t, 1500, 1500, 1480)
			w := watch(t, p)
			dir := t.TempDir()
			var list strings.Builder
			for _, a := range c.targets {
				fmt.Fprintln(&list, a)
			}
			input, out := filepath.Join(dir, "list"), filepath.Join(dir, "out.jsonl")
			writeFile(t, input, list.String())
			server := spawn(t, "server", p.server.Start, append([]string{
				"survey", "serve", "--survey", "wire", "--workers", "1", "--shard-size", fmt.Sprint(c.shard), "--lease", "5s", "--lab",
				"-i", input, "--gap", "10ms", "--listen", "0.0.0.0:4222", "--insecure", "-o", out,
			}, c.flags...)...)
			worker := func(i int) *process {
				return spawn(t, fmt.Sprint("worker ", i), p.at[i].Start,
					"survey", "work", "--lab", "--server", "nats://"+address(i, 1)+":4222", "--vantage", fmt.Sprint("place", i))
			}
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			a := worker(0)
			w.await(ctx, t, 0, 30) // it has the whole bound
			b := worker(1)
			w.await(ctx, t, 1, 30)
			worker(2)
			w.await(ctx, t, 2, 30)
			a.kill() // its share is gone for a lease
			a.run()  // another worker, to the others
			w.await(ctx, t, 0, 60)
			b.kill()
			w.await(ctx, t, 2, 60)
			b.run()
			w.await(ctx, t, 1, 60)
			const workers = 5 // two of which were killed
			cancelled := spawn(t, "cancel", p.server.Start, "survey", "cancel", "--server", "nats://127.0.0.1:4222", "wire")
			require.NoError(t, <-cancelled.done)
			cancelled.done = nil
			<-server.done
			server.done = nil

			starts := startsOf(t, out+".queue", "wire")
			for _, net := range c.to {
				packets, bits := w.sendings(net)
				// Each worker may have a burst, and one packet more; when the count
				// begins, what a worker decided to send may still be on its way: the
				// same again. Each shard begins with a packet of its own.
				spare := 2*(c.burst.Seconds()*c.bound.Packets+workers) + float64(starts)
				over := excess(packets, c.bound.Packets)
				assert.LessOrEqual(t, over, spare, "packets to %v", net)
				const largest = 1500 * 8
				spareBits := 2*(c.burst.Seconds()*c.bound.Bits+workers*largest) + float64(starts)*largest
				overBits := excess(bits, c.bound.Bits)
				assert.LessOrEqual(t, overBits, spareBits, "bits to %v", net)
				took := packets[len(packets)-1].at.Sub(packets[0].at).Seconds()
				t.Logf("%v: %d packets in %.1f s, %.0f a second (bound %.0f), %.0f above it at most (allowed %.0f); %.0f kbit a second (bound %.0f), %.0f kbit above it at most (allowed %.0f); %d shards begun",
					net, len(packets), took, float64(len(packets))/took, c.bound.Packets, over, spare,
					rateOf(bits)/1e3, c.bound.Bits/1e3, overBits/1e3, spareBits/1e3, starts)
				// Had each of them a bound of its own, it would be seen: what is left
				// of the bound by one is taken by the others.
				assert.Greater(t, excess(packets, c.bound.Packets/4), spare, "they sent too little to prove anything")
			}
		})
	}
}

// TestFrozenWorker: a worker is stopped, its shard goes to another, and it is
// continued. From then on nothing of the shard leaves it: not one packet.
func TestFrozenWorker(t *testing.T) {
	p := buildPlaces(t, 1500, 1500)
	w := watch(t, p)
	dir := t.TempDir()
	input := filepath.Join(dir, "list")
	writeTargets(t, input, 5000)
	// All targets are one shard, and there is nothing else to measure.
	spawn(t, "server", p.server.Start, "survey", "serve", "--survey", "frozen", "--shard-size", "5000", "--lease", "5s", "--lab",
		"--workers", "1", "--rate", "500", "--net-rate", "0", "-i", input, "--listen", "0.0.0.0:4222", "--insecure", "-o", filepath.Join(dir, "out.jsonl"))
	worker := func(i int) *process {
		return spawn(t, fmt.Sprint("worker ", i), p.at[i].Start,
			"survey", "work", "--lab", "--server", "nats://"+address(i, 1)+":4222", "--vantage", fmt.Sprint("place", i))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	frozen := worker(0)
	w.await(ctx, t, 0, 200)
	require.NoError(t, frozen.cmd.Process.Signal(unix.SIGSTOP))
	time.Sleep(100 * time.Millisecond) // what is on its way leaves
	sent := w.sent(0)
	worker(1)
	w.await(ctx, t, 1, 100) // the shard is its own
	require.Equal(t, sent, w.sent(0), "it is stopped")
	require.NoError(t, frozen.cmd.Process.Signal(unix.SIGCONT))
	w.await(ctx, t, 1, 1000)
	assert.Equal(t, sent, w.sent(0))
}

func rateOf(all []sending) float64 {
	sum := 0.0
	for _, s := range all {
		sum += s.amount
	}
	return sum / all[len(all)-1].at.Sub(all[0].at).Seconds()
}

// startsOf counts how often a shard of a survey from anywhere was begun: what its
// queue was left with says so, shard by shard.
func startsOf(t *testing.T, store, name string) (n int) {
	s, err := natsfleet.StartServer(natsfleet.ServerConfig{Store: store})
	require.NoError(t, err)
	defer s.Shutdown()
	b, err := s.Connect(t.Context(), natsfleet.Config{Name: "test"})
	require.NoError(t, err)
	defer b.Disconnect()
	keys, err := b.Keys(t.Context(), "cursor."+name+"."+fleet.Anywhere+".")
	require.NoError(t, err)
	for _, k := range keys {
		v, err := b.Get(t.Context(), k)
		require.NoError(t, err)
		var c fleet.Cursor
		require.NoError(t, json.Unmarshal(v.Data, &c))
		n += int(c.Epoch)
	}
	return n
}
