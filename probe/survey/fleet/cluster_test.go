package fleet_test

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/probe/survey/fleet"
	"pathmtu/probe/survey/fleet/natsfleet"
)

// Three servers in three processes keep everything three times. One of them is
// killed during a survey: nothing is lost and nothing doubled.
func TestClusterLosesANode(t *testing.T) {
	ports := freePorts(t, 6)
	token := filepath.Join(t.TempDir(), "token")
	writeFile(t, token, strings.Repeat("secret", 4))
	var nodes []*process
	var urls, routes []string
	for i := range 3 {
		urls = append(urls, fmt.Sprintf("nats://127.0.0.1:%d", ports[i]))
		routes = append(routes, fmt.Sprintf("127.0.0.1:%d", ports[3+i]))
	}
	for i := range 3 {
		nodes = append(nodes, spawn(t, fmt.Sprint("node ", i), nil, "survey", "serve", "--store", t.TempDir(),
			"--listen", fmt.Sprintf("127.0.0.1:%d", ports[i]), "--cluster", "test", "--node", fmt.Sprint("n", i),
			"--cluster-listen", routes[i], "--routes", strings.Join(routes, ","), "--token-file", token))
	}
	connect := func(name string) *natsfleet.Backend {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		b, err := natsfleet.Connect(ctx, natsfleet.Config{Servers: urls, Name: name, TokenFile: token, Replicas: 3})
		require.NoError(t, err)
		t.Cleanup(b.Disconnect)
		return b
	}
	b := connect("collector")
	const n = 1200
	p, set, list := makePlan(t, n, "a", "b", "c")
	p.Lease = fleet.Duration(10 * time.Second) // longer than an election takes
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		_, err := fleet.Submit(t.Context(), b, p, [][]byte{list})
		require.NoError(c, err)
	}, time.Minute, 200*time.Millisecond)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	for _, v := range p.Places {
		wb := connect(v)
		wg.Go(func() {
			assert.NoError(t, fleet.Work(ctx, fleet.WorkerConfig{
				Backend: wb, ID: "worker-" + v, Vantage: v, Tool: "test", Lab: true, Block: 20,
				Measurer: fake{mtu: func(netip.Addr) int { return 1400 }, pause: 5 * time.Millisecond},
			}))
		})
	}
	var out lines
	c, err := fleet.NewCollector(b, p, set, &out)
	require.NoError(t, err)
	c.Log = t.Logf
	var once sync.Once
	at := uint64(0)
	c.Observe = func(got fleet.Totals) {
		if got.Records > 3*n/4 {
			once.Do(func() {
				at = got.Records
				nodes[1].kill()
			})
		}
	}
	collecting, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	require.NoError(t, c.Run(collecting))
	unique(t, out.Bytes(), n, "a", "b", "c")
	assert.Positive(t, at)
	assert.Less(t, at, c.Expected, "the node died too late")
	t.Logf("killed after %d records: %+v", at, c.Totals)
}
