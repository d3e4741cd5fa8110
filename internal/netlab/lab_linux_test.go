package netlab

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab/labtest"
)

const (
	soon  = 2 * time.Second        // for what must come
	never = 150 * time.Millisecond // for what must not
)

// build stands a topology up for one test.
func build(t *testing.T, topology Topology) *Lab {
	t.Helper()
	labtest.Need(t, Capable(), needed)
	lab, err := Build(t.Context(), topology)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, lab.Close()) })
	return lab
}

// send echoes from a node with a size and checks that the request itself worked.
func send(t *testing.T, lab *Lab, from string, to netip.Addr, size int, wait time.Duration) answer {
	t.Helper()
	var a answer
	err := lab.Node(from).Do(func() (err error) {
		a, err = echo(to, size, wait)
		return err
	})
	require.NoError(t, err, "size %d to %v", size, to)
	return a
}

func hits(t *testing.T, lab *Lab, node, rule string) uint64 {
	t.Helper()
	counters, err := lab.Node(node).Counters()
	require.NoError(t, err)
	return counters[rule]
}

func TestBuiltPathEqualsItsGroundTruth(t *testing.T) {
	for _, family := range []int{4, 6} {
		for _, mtu := range []int{1280, 1399, 1500, 9000} {
			t.Run(fmt.Sprintf("ipv%d/%d", family, mtu), func(t *testing.T) {
				t.Parallel()
				lab := build(t, Path(9000, mtu, PTB{}))
				srv, _ := lab.Addr("srv", family)
				walk, err := lab.Topology.Walk("cli", srv)
				require.NoError(t, err)
				require.Equal(t, mtu, walk.MTU())
				assert.True(t, send(t, lab, "cli", srv, mtu, soon).Replied, "the truth passes")
				above := send(t, lab, "cli", srv, mtu+1, soon)
				if mtu == walk.FirstHop() {
					assert.True(t, above.Refused, "%+v", above)
					return
				}
				assert.True(t, above.PTB, "%+v", above)
				assert.Equal(t, mtu, above.PTBMTU)
				assert.False(t, above.Replied)
			})
		}
	}
}

func TestFilteredPTB(t *testing.T) {
	lab := build(t, Path(9000, 1420, PTB{Mode: PTBFiltered}))
	for family, rule := range map[int]string{4: RulePTB4, 6: RulePTB6} {
		srv, _ := lab.Addr("srv", family)
		require.Zero(t, hits(t, lab, "r1", rule))
		assert.Equal(t, answer{}, send(t, lab, "cli", srv, 1421, never), "silence")
		assert.EqualValues(t, 1, hits(t, lab, "r1", rule), "the filter did it")
		assert.True(t, send(t, lab, "cli", srv, 1420, soon).Replied)
	}
}

func TestLyingPTB(t *testing.T) {
	for _, lie := range []int{0, 576, 1300, 1480, 65535} {
		t.Run(fmt.Sprint(lie), func(t *testing.T) {
			t.Parallel()
			lab := build(t, Path(9000, 1420, PTB{Mode: PTBLying, MTU: lie}))
			for family, rule := range map[int]string{4: RulePTB4, 6: RulePTB6} {
				srv, _ := lab.Addr("srv", family)
				// A wrong checksum would make the client's kernel drop it.
				a := send(t, lab, "cli", srv, 1421, soon)
				assert.True(t, a.PTB, "%+v", a)
				assert.Equal(t, lie, a.PTBMTU)
				assert.EqualValues(t, 1, hits(t, lab, "r1", rule))
			}
		})
	}
}

func TestPTBBehaviourChangesWhileStanding(t *testing.T) {
	lab := build(t, Path(1500, 1400, PTB{}))
	srv, _ := lab.Addr("srv", 4)
	assert.True(t, send(t, lab, "cli", srv, 1500, soon).PTB)
	require.NoError(t, lab.SetPTB("r1", PTB{Mode: PTBFiltered}))
	assert.Equal(t, answer{}, send(t, lab, "cli", srv, 1500, never))
	require.NoError(t, lab.SetPTB("r1", PTB{}))
	require.NoError(t, lab.SetMTU("r1", "r2", 1300))
	a := send(t, lab, "cli", srv, 1400, soon)
	assert.True(t, a.PTB)
	assert.Equal(t, 1300, a.PTBMTU)
	assert.Error(t, lab.SetMTU("r1", "srv", 1300), "not neighbours")
	assert.Error(t, lab.SetPTB("r9", PTB{}))
}

// A veth end takes four bytes more than its MTU and drops the rest unsaid.
func TestUnequalEnds(t *testing.T) {
	topology := Chain("l2", PTB{}, 9000, 9000, 9000)
	topology.Links[1].B.MTU = 1500
	lab := build(t, topology)
	for _, family := range []int{4, 6} {
		srv, _ := lab.Addr("srv", family)
		walk, err := topology.Walk("cli", srv)
		require.NoError(t, err)
		require.Equal(t, 1504, walk.MTU())
		for _, size := range []int{1504, 1505} {
			// The reply is as large and has its own way back, so look at what
			// the server received.
			before := echoesReceived(t, lab, "srv", family)
			send(t, lab, "cli", srv, size, never)
			got := echoesReceived(t, lab, "srv", family) > before
			assert.Equal(t, size <= walk.MTU(), got, "size %d", size)
		}
	}
}

// echoesReceived reads the kernel's own count of echo requests.
func echoesReceived(t *testing.T, lab *Lab, node string, family int) (n int) {
	t.Helper()
	require.NoError(t, lab.Node(node).Do(func() error {
		if family == 6 {
			text, err := os.ReadFile("/proc/thread-self/net/snmp6")
			_, after, _ := strings.Cut(string(text), "Icmp6InEchos")
			fmt.Sscan(after, &n)
			return err
		}
		text, err := os.ReadFile("/proc/thread-self/net/snmp")
		lines := strings.Split(string(text), "\n")
		for i, line := range lines[1:] {
			if names := strings.Fields(lines[i]); strings.HasPrefix(line, "Icmp: ") {
				if at := slices.Index(names, "InEchos"); at > 0 {
					fmt.Sscan(strings.Fields(line)[at], &n)
				}
			}
		}
		return err
	}))
	return n
}

func TestLossByRule(t *testing.T) {
	topology := Path(1500, 1500, PTB{})
	topology.Links[1].B.Loss = []Loss{{Above: 1400, Percent: 100}}
	topology.Links[2].B.Loss = []Loss{{Every: 3}}
	lab := build(t, topology)
	for _, family := range []int{4, 6} {
		srv, _ := lab.Addr("srv", family)
		walk, err := topology.Walk("cli", srv)
		require.NoError(t, err)
		assert.Equal(t, 1400, walk.MTU())
		assert.Equal(t, answer{}, send(t, lab, "cli", srv, 1401, never))
		var replies []bool
		for range 6 {
			replies = append(replies, send(t, lab, "cli", srv, 1400, 4*never).Replied)
		}
		assert.Equal(t, []bool{false, true, true, false, true, true}, replies)
	}
	assert.EqualValues(t, 2, hits(t, lab, "r2", "loss to-r1"))
	assert.EqualValues(t, 4, hits(t, lab, "srv", "loss to-r2"))
}

func TestRandomLossHasItsRate(t *testing.T) {
	topology := Path(1500, 1500, PTB{})
	topology.Links[1].B.Loss = []Loss{{Percent: 50, Above: 100}}
	lab := build(t, topology)
	srv, _ := lab.Addr("srv", 6)
	const n = 200
	require.NoError(t, lab.Node("cli").Do(func() error {
		for range n {
			if _, err := echo(srv, 200, 0); err != nil {
				return err
			}
		}
		return nil
	}))
	// 50 percent of 200 is within 60..140 except once in 10^8 runs.
	assert.InDelta(t, n/2, float64(hits(t, lab, "r2", "loss to-r1")), 40)
	assert.True(t, send(t, lab, "cli", srv, 100, soon).Replied, "up to Above nothing is lost")
}

func TestSysctls(t *testing.T) {
	topology := Path(1500, 1500, PTB{})
	topology.Nodes[3].ICMPUnlimited = true
	topology.Nodes[0].Sysctls = map[string]string{"net.ipv4.ping_group_range": "1 0"}
	lab := build(t, topology)
	read := func(node, name string) (v string) {
		require.NoError(t, lab.Node(node).Do(func() error {
			b, err := os.ReadFile("/proc/sys/" + name)
			v = strings.Join(strings.Fields(string(b)), " ")
			return err
		}))
		return v
	}
	assert.Equal(t, "1 0", read("cli", "net/ipv4/ping_group_range"))
	assert.Equal(t, "0 2147483647", read("srv", "net/ipv4/ping_group_range"))
	assert.Equal(t, "0", read("srv", "net/ipv4/icmp_ratelimit"))
	assert.Equal(t, "1000", read("cli", "net/ipv4/icmp_ratelimit"))
	assert.Equal(t, "1", read("r1", "net/ipv6/conf/all/forwarding"))
	assert.Equal(t, "0", read("srv", "net/ipv6/conf/all/forwarding"))
}

func TestBuildFailsCleanly(t *testing.T) {
	_, err := Build(t.Context(), Topology{Name: "x", Links: []Link{{A: End{Node: "a", MTU: 1500}, B: End{Node: "b", MTU: 1500}}}})
	assert.ErrorContains(t, err, `unknown node "a"`)
	topology := Path(1500, 1500, PTB{})
	topology.Nodes[1].Sysctls = map[string]string{"net.ipv4.no_such_thing": "1"}
	labtest.Need(t, Capable(), needed)
	_, err = Build(t.Context(), topology)
	assert.ErrorContains(t, err, "net.ipv4.no_such_thing=1")
	assert.ErrorContains(t, err, `"r1"`)
}
