package fleet_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/internet"
	"pathmtu/internal/netlab/labtest"
)

// Three servers in three processes keep everything three times, for a survey by
// three workers. One server is killed meanwhile: nothing is lost, nothing doubled
// and nothing wrong.
func TestClusterLosesANode(t *testing.T) {
	labtest.Need(t, netlab.Capable(), "CAP_NET_ADMIN and CAP_SYS_ADMIN")
	world, err := internet.New(quiet(1500))
	require.NoError(t, err)
	lab, err := internet.Build(t.Context(), world)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, lab.Close()) })

	const n = 240
	dir := t.TempDir()
	token, input, out := filepath.Join(dir, "token"), filepath.Join(dir, "list"), filepath.Join(dir, "out.jsonl")
	writeFile(t, token, strings.Repeat("secret", 4))
	writeTargets(t, input, n)

	// The namespace is theirs alone, and so are its ports.
	var urls, routes []string
	for i := range 3 {
		urls = append(urls, fmt.Sprintf("nats://127.0.0.1:%d", 4221+i))
		routes = append(routes, fmt.Sprintf("127.0.0.1:%d", 6221+i))
	}
	at := []string{"--server", strings.Join(urls, ","), "--token-file", token}
	var nodes []*process
	for i := range 3 {
		nodes = append(nodes, spawn(t, fmt.Sprint("node ", i), lab.Start, "survey", "serve", "--store", t.TempDir(),
			"--listen", fmt.Sprintf("127.0.0.1:%d", 4221+i), "--cluster", "test", "--node", fmt.Sprint("n", i),
			"--cluster-listen", routes[i], "--routes", strings.Join(routes, ","), "--token-file", token))
	}
	// Workers come first, and know nothing of replicas.
	for _, v := range []string{"a", "b", "c"} {
		spawn(t, "worker "+v, lab.Start, append([]string{"survey", "work", "--lab", "--vantage", v}, at...)...)
	}
	// A lease is longer than an election takes.
	collector := spawn(t, "collector", lab.Start, append([]string{"survey", "serve", "--replicas", "3", "--vantages", "a,b,c",
		"--rate", "150", "--shard-size", "40", "--lease", "10s", "-o", out,
		"--lab", "-i", input, "--net-rate", "0", "--bandwidth", "0", "--gap", "10ms", "--timeout", "5s"}, at...)...)
	enough := func() bool { return recordsOf(out) >= n/2 }
	require.Eventually(t, enough, 2*time.Minute, 20*time.Millisecond)
	nodes[1].kill()
	killed := recordsOf(out)
	select {
	case err := <-collector.done:
		collector.done = nil
		require.NoError(t, err)
	case <-time.After(2 * time.Minute):
		require.Fail(t, "not finished in time")
	}
	assert.Less(t, killed, 3*n, "the node died too late")
	text, err := os.ReadFile(out)
	require.NoError(t, err)
	for target, from := range unique(t, text, n, "a", "b", "c") {
		truth := world.Host(netip.MustParseAddr(target)).MTU
		for v, found := range from {
			require.Equal(t, truth, found, "%s from %s", target, v)
		}
	}
	t.Logf("killed after %d of %d records", killed, 3*n)
}
