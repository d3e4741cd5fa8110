package datapath

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"pathmtu/internal/router"
)

// Malformed frames and packets harm nobody: the router goes on, and its memory
// stays as it is.
func TestMalformedFrames(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			lab := buildLab(t, 1500, 1400)
			specs := portSpecs(m.kind)
			for i := range specs {
				specs[i].Truncate = true
			}
			u := runRouter(t, lab.Node("r1"), UserRouterConfig{Ports: specs, KernelRoutes: true, FastPath: m.fast})
			pair := newUDPPair(t, lab, "cli", "srv")
			pass := func() {
				t.Helper()
				require.NoError(t, pair.send(100, minPMTU9000))
				r, ok := pair.receive(soon)
				require.True(t, ok)
				assert.EqualValues(t, 1400>>8, r.hbh[4])
			}
			pass()
			var fd, index int
			var to MAC
			require.NoError(t, lab.Node("r1").Do(func() error {
				l, err := netlink.LinkByName("to-cli")
				if err == nil {
					copy(to[:], l.Attrs().HardwareAddr)
				}
				return err
			}))
			require.NoError(t, lab.Node("cli").Do(func() (err error) {
				l, err := netlink.LinkByName("to-r1")
				if err != nil {
					return err
				}
				index = l.Attrs().Index
				fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
				return err
			}))
			defer unix.Close(fd)

			rnd := rand.New(rand.NewPCG(1, 2))
			good := make([]byte, etherLen+ipv6Len+8+8+100)
			putEther(good, to, MAC{2})
			copy(good[etherLen:], []byte{0x60, 0, 0, 0, 0, 116, 0, 64})
			copy(good[offSrc:], []byte{0x20, 1, 0xd, 0xb8, 0, 1})
			copy(good[offDst:], []byte{0x20, 1, 0xd, 0xb8, 0, 2})
			good[offSrc+15], good[offDst+15] = 1, 2
			copy(good[offHBH:], []byte{17, 0, 0x30, 4, 0x23, 0x28, 0, 1})
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			const n = 20_000
			frame := make([]byte, 2000)
			for i := range n {
				f := frame[:copy(frame, good)]
				switch rnd.IntN(4) {
				case 0: // cut anywhere
					f = f[:etherLen+rnd.IntN(len(f)-etherLen)]
				case 1: // noise in the headers
					for range 1 + rnd.IntN(6) {
						f[etherLen+rnd.IntN(60)] = byte(rnd.Uint32())
					}
				case 2: // noise in the options
					for j := offHBH; j < offHBH+16; j++ {
						f[j] = byte(rnd.Uint32())
					}
				case 3: // longer than the egress
					f = frame[:etherLen+1401+rnd.IntN(99)]
					f[offPayload], f[offPayload+1] = byte((len(f)-54)>>8), byte(len(f)-54)
				}
				err := unix.Sendto(fd, f, 0, &unix.SockaddrLinklayer{Ifindex: index})
				if err != nil && err != unix.ENOBUFS && err != unix.EMSGSIZE && err != unix.EINVAL {
					require.NoError(t, err, "frame %d of %d bytes", i, len(f))
				}
				if i%500 == 0 {
					pass()
				}
			}
			pass()
			runtime.GC()
			runtime.ReadMemStats(&after)
			assert.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(4<<20), "heap growth in bytes")
			s, _ := u.Stats()
			assert.NotZero(t, s.Ports["to-cli"].Malformed+s.Router.Reasons[router.BadHeader])
			assert.NotZero(t, s.Router.Reasons[router.TooBig])
		})
	}
}

// A round of the loop allocates nothing, whatever the port.
func TestLoopAllocatesNothing(t *testing.T) {
	for _, m := range modes[:2] {
		t.Run(m.name, func(t *testing.T) {
			lab := buildLab(t, 1500, 1400)
			var u *UserRouter
			require.NoError(t, lab.Node("r1").Do(func() (err error) {
				u, err = OpenUserRouter(UserRouterConfig{Ports: portSpecs(m.kind), KernelRoutes: true})
				return err
			}))
			t.Cleanup(func() { assert.NoError(t, u.Close()) })
			pair := newUDPPair(t, lab, "cli", "srv")
			round := func() int {
				n, err := u.loop.round()
				require.NoError(t, err)
				return n
			}
			// Resolve the neighbour first.
			require.NoError(t, pair.send(10, minPMTU9000))
			eventually(t, "the first packet", func() bool { return round() > 0 })
			_, ok := pair.receive(soon)
			require.True(t, ok)
			eventually(t, "the neighbour is known", func() bool { return len(u.k.neighbours()) > 0 })

			const n = 200
			for range n {
				require.NoError(t, pair.send(10, minPMTU9000))
			}
			got, deadline := 0, time.Now().Add(soon)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for got < n && time.Now().Before(deadline) {
				k, err := u.loop.round()
				if err != nil {
					t.Fatal(err)
				}
				got += k
			}
			runtime.ReadMemStats(&after)
			assert.GreaterOrEqual(t, got, n)
			allocs := after.Mallocs - before.Mallocs
			assert.Less(t, allocs, uint64(n/10), "mallocs of the whole process while %d packets were forwarded", got)
		})
	}
}
