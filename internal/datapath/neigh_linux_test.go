package datapath

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestNeighbours(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			lab := buildLab(t, 1500, 1500)
			r1 := lab.Node("r1")
			ip := func(args string) {
				t.Helper()
				_, errOut, err := r1.Run(t.Context(), "ip", strings.Fields(args)...)
				require.NoError(t, err, "%s", errOut)
			}
			u := runRouter(t, r1, UserRouterConfig{Ports: portSpecs(m.kind), KernelRoutes: true, FastPath: m.fast})
			pair := newUDPPair(t, lab, "cli", "srv")
			pass := func() {
				t.Helper()
				require.NoError(t, pair.send(100, nil))
				_, ok := pair.receive(soon)
				require.True(t, ok)
			}
			pass()
			eventually(t, "the answer is known", func() bool { return len(u.k.neighbours()) > 0 })
			sent := u.k.Sent()
			for range 5 {
				pass()
			}
			assert.Equal(t, sent, u.k.Sent(), "further packets don't go through the kernel")

			mac := u.k.neighbours()["2001:db8:2::2"]
			require.NotZero(t, mac)
			ip("neigh replace 2001:db8:2::2 dev to-srv nud stale lladdr " + mac.String())
			eventually(t, "a stale neighbour is checked by the kernel", func() bool { pass(); return u.k.Sent() > sent })

			ip("neigh replace 2001:db8:2::2 dev to-srv nud permanent lladdr 02:00:00:00:00:99")
			eventually(t, "a changed address is followed", func() bool { return u.k.neighbours()["2001:db8:2::2"].String() == "02:00:00:00:00:99" })
			require.NoError(t, pair.send(100, nil))
			_, ok := pair.receive(never)
			assert.False(t, ok)
			ip("neigh del 2001:db8:2::2 dev to-srv")
			eventually(t, "and so is its end", func() bool { return u.k.neighbours()["2001:db8:2::2"] == MAC{} })
			sent = u.k.Sent()
			pass()
			assert.Equal(t, sent+1, u.k.Sent(), "the kernel resolved the next hop and sent the packet")
		})
	}
}

// Nobody has the next hop's address: the kernel, which asked for it, answers.
func TestUnreachableNeighbour(t *testing.T) {
	lab := buildLab(t, 1500, 1500)
	runRouter(t, lab.Node("r1"), UserRouterConfig{Ports: portSpecs(KindAFXDP), KernelRoutes: true})
	pair := newUDPPair(t, lab, "cli", "srv")
	pair.dst.Addr[15] = 0x42
	require.NoError(t, pair.send(100, nil))
	typ, code, _, _, ok := pair.icmp(2 * soon)
	require.True(t, ok)
	assert.Equal(t, []int{1, 3}, []int{typ, code}, "Destination Unreachable, address unreachable")
}

// An interface that goes down, comes back, and goes for good doesn't end the
// router, nor make it spin.
func TestInterfaceGoes(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			lab := buildLab(t, 1500, 1500)
			r1 := lab.Node("r1")
			ip := func(args string) {
				t.Helper()
				_, errOut, err := r1.Run(t.Context(), "ip", strings.Fields(args)...)
				require.NoError(t, err, "%s", errOut)
			}
			u := runRouter(t, r1, UserRouterConfig{Ports: portSpecs(m.kind), KernelRoutes: true, FastPath: m.fast})
			pair := newUDPPair(t, lab, "cli", "srv")
			arrives := func() bool {
				// A Destination Unreachable that came before is reported here.
				_ = pair.send(100, nil)
				_, ok := pair.receive(never)
				return ok
			}
			eventually(t, "up", arrives)
			ip("link set to-srv down")
			assert.False(t, arrives())
			ip("link set to-srv up")
			// The kernel takes addresses away from an interface that goes down.
			ip("addr replace 2001:db8:2::1/64 dev to-srv nodad")
			eventually(t, "up again", arrives)
			ip("link del to-srv")
			for range 3 {
				_ = pair.send(100, nil)
			}
			// What else this process does at the moment counts too, but not
			// each time.
			eventually(t, "it does not spin", func() bool { return cpuTime(t, 100*time.Millisecond) < 10*time.Millisecond })
			s, ok := u.Stats()
			require.True(t, ok, "the router goes on")
			assert.NotZero(t, s.Ports["to-cli"].RxPackets)
		})
	}
}

// cpuTime returns how much CPU time this process takes in a while.
func cpuTime(t *testing.T, while time.Duration) time.Duration {
	var before, after unix.Rusage
	require.NoError(t, unix.Getrusage(unix.RUSAGE_SELF, &before))
	time.Sleep(while)
	require.NoError(t, unix.Getrusage(unix.RUSAGE_SELF, &after))
	return time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
}

// neighbours lists the known link-layer addresses by IP address.
func (k *Kernel) neighbours() map[string]MAC {
	out := map[string]MAC{}
	for key, e := range *k.neigh.Load() {
		out[netip.AddrFrom16(key.addr).String()] = e.mac
	}
	return out
}
