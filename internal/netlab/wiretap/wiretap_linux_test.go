package wiretap_test

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/labtest"
	"pathmtu/internal/netlab/wiretap"
)

func TestTap(t *testing.T) {
	labtest.Need(t, netlab.Capable(), "CAP_NET_ADMIN and CAP_SYS_ADMIN")
	lab, err := netlab.Build(t.Context(), netlab.Path(1500, 1400, netlab.PTB{Mode: netlab.PTBFiltered}))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, lab.Close()) })
	var mu sync.Mutex
	seen := map[string][]int{}
	tap := func(node, iface string) *wiretap.Tap {
		w, err := wiretap.Open(lab.Node(node).Namespace, iface, func(p wiretap.Packet) {
			if p.Proto != 17 || p.Size < 1000 {
				return
			}
			assert.WithinDuration(t, time.Now(), p.At, time.Minute)
			assert.Equal(t, node == "cli", p.Out)
			to, _ := lab.Addr("srv", p.Version)
			assert.Equal(t, to, p.To)
			mu.Lock()
			defer mu.Unlock()
			seen[node] = append(seen[node], p.Size)
		})
		require.NoError(t, err)
		return w
	}
	a, b := tap("cli", "to-r1"), tap("srv", "to-r2")
	for _, family := range []int{4, 6} {
		to, _ := lab.Addr("srv", family)
		var u *net.UDPConn
		require.NoError(t, lab.Node("cli").Do(func() (err error) {
			u, err = net.ListenUDP("udp", nil)
			return err
		}))
		for _, n := range []int{1100, 1400 - 48, 1440} {
			_, err = u.WriteToUDPAddrPort(make([]byte, n), netip.AddrPortFrom(to, 9))
			require.NoError(t, err)
		}
		require.NoError(t, u.Close())
	}
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(seen["cli"]) == 6 && len(seen["srv"]) == 4
	}, 10*time.Second, time.Millisecond)
	for _, w := range []*wiretap.Tap{a, b} {
		lost, err := w.Lost()
		require.NoError(t, err)
		assert.Zero(t, lost)
		require.NoError(t, w.Close())
	}
	assert.Equal(t, []int{1128, 1380, 1468, 1148, 1400, 1488}, seen["cli"])
	assert.False(t, slices.ContainsFunc(seen["srv"], func(n int) bool { return n > 1400 }), "%v", seen["srv"])
}
