package fleet_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/internet"
	"pathmtu/internal/netlab/labtest"
	"pathmtu/results"
)

func writeFile(t testing.TB, name, text string) {
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
}

// writeTargets writes a list of IPv4 hosts of an Internet.
func writeTargets(t testing.TB, name string, n int) {
	targets, err := internet.Targets(1, 4, n)
	require.NoError(t, err)
	var list strings.Builder
	for a := range targets {
		fmt.Fprintln(&list, a)
	}
	writeFile(t, name, list.String())
}

// quiet is an Internet in which each host answers, each router says the truth and
// nothing is lost, so that what is found doesn't depend on chance.
func quiet(edge int) internet.Config {
	c := internet.Default()
	c.Edge, c.Exists, c.Loss, c.Filtered, c.Lying, c.PTBLimited, c.Double, c.EchoLimited, c.Reverse = edge, 1, 0, 0, 0, 0, 0, 0, 0
	c.DelayLeast, c.DelayMost = time.Millisecond, 10*time.Millisecond
	return c
}

// places are vantage points: each a namespace with an Internet of its own, and
// with a cable to the namespace of the server.
type places struct {
	server *netlab.LiveNode
	at     []*internet.Lab
	worlds []*internet.World
	cables *netlink.Handle // in the server's namespace
}

func cable(i int) string { return fmt.Sprint("cable", i) }

func address(i, end int) string { return fmt.Sprintf("198.18.%d.%d", i+1, end) }

func buildPlaces(t *testing.T, edges ...int) *places {
	labtest.Need(t, netlab.Capable(), "CAP_NET_ADMIN and CAP_SYS_ADMIN")
	lab, err := netlab.Build(t.Context(), netlab.Topology{Name: "fleet", Nodes: []netlab.Node{{Name: "server"}}})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, lab.Close()) })
	p := &places{server: lab.Node("server")}
	p.cables, err = netlink.NewHandleAt(netns.NsHandle(p.server.Fd()), unix.NETLINK_ROUTE)
	require.NoError(t, err)
	t.Cleanup(p.cables.Close)
	for i, edge := range edges {
		w, err := internet.New(quiet(edge))
		require.NoError(t, err)
		l, err := internet.Build(t.Context(), w)
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, l.Close()) })
		p.at, p.worlds = append(p.at, l), append(p.worlds, w)
		p.plug(t, i)
	}
	return p
}

// plug puts a cable between the server and a place.
func (p *places) plug(t *testing.T, i int) {
	veth := &netlink.Veth{LinkAttrs: netlink.NewLinkAttrs(), PeerName: "control", PeerNamespace: netlink.NsFd(p.at[i].Fd())}
	veth.Name = cable(i)
	require.NoError(t, p.cables.LinkAdd(veth))
	there, err := netlink.NewHandleAt(netns.NsHandle(p.at[i].Fd()), unix.NETLINK_ROUTE)
	require.NoError(t, err)
	defer there.Close()
	for _, end := range []struct {
		h    *netlink.Handle
		name string
		ip   string
	}{{p.cables, cable(i), address(i, 1)}, {there, "control", address(i, 2)}} {
		link, err := end.h.LinkByName(end.name)
		require.NoError(t, err)
		a := &netlink.Addr{IPNet: &net.IPNet{IP: net.ParseIP(end.ip).To4(), Mask: net.CIDRMask(24, 32)}}
		require.NoError(t, end.h.AddrAdd(link, a))
		require.NoError(t, end.h.LinkSetUp(link))
	}
}

// cut cuts a cable, or mends it.
func (p *places) cut(t *testing.T, i int, up bool) {
	link, err := p.cables.LinkByName(cable(i))
	require.NoError(t, err)
	if up {
		require.NoError(t, p.cables.LinkSetUp(link))
	} else {
		require.NoError(t, p.cables.LinkSetDown(link))
	}
}

// drop lets a cable's packets vanish while the link stays up, or ends that.
func (p *places) drop(t *testing.T, i int, on bool) {
	rules := "delete table inet cut"
	if on {
		rules = fmt.Sprintf(`table inet cut {
			chain in { type filter hook input priority 0; iifname %[1]q counter drop; }
			chain out { type filter hook output priority 0; oifname %[1]q counter drop; }
		}`, cable(i))
	}
	_, errOut, err := p.server.Run(t.Context(), "nft", rules)
	require.NoError(t, err, "%s", errOut)
	if on {
		there, _, err := p.server.Run(t.Context(), "nft", "list", "table", "inet", "cut")
		require.NoError(t, err)
		require.Equal(t, 2, bytes.Count(there, []byte("drop")), "%s", there)
	}
}

// recordsOf counts the whole lines of a file.
func recordsOf(name string) int {
	b, _ := os.ReadFile(name)
	return bytes.Count(b, []byte("\n"))
}

// TestThreePlaces: three workers in three namespaces survey one list. Two see the
// same Internet, from the third the first link carries less. Workers and the
// server are killed and cables cut at random moments. No final record is lost or
// doubled; what is found is what one machine finds where the paths agree, and
// differs where they differ.
func TestThreePlaces(t *testing.T) {
	const n, narrow = 240, 1480
	p := buildPlaces(t, 1500, 1500, narrow)
	dir := t.TempDir()
	input, out, alone := filepath.Join(dir, "list"), filepath.Join(dir, "out.jsonl"), filepath.Join(dir, "alone.jsonl")
	writeTargets(t, input, n)
	how := []string{"--lab", "-i", input, "--net-rate", "0", "--bandwidth", "0", "--gap", "10ms", "--timeout", "5s"}

	one := spawn(t, "alone", p.at[0].Start, append([]string{"survey", "--rate", "0", "--vantage", "alone", "-o", alone}, how...)...)
	require.NoError(t, <-one.done)
	one.done = nil

	server := spawn(t, "server", p.server.Start, append([]string{
		"survey", "serve", "--vantages", "a,b,c", "--rate", "150", "--shard-size", "40", "--lease", "4s",
		"--listen", "0.0.0.0:4222", "--insecure", "-o", out,
	}, how...)...)
	var workers []*process
	for i, v := range []string{"a", "b", "c"} {
		workers = append(workers, spawn(t, "worker "+v, p.at[i].Start,
			"survey", "work", "--lab", "--server", "nats://"+address(i, 1)+":4222", "--vantage", v))
	}
	disturb(t, p, server, workers, func() bool { return recordsOf(out) >= 3*n })

	text, err := os.ReadFile(out)
	require.NoError(t, err)
	got := unique(t, text, n, "a", "b", "c")
	differ := 0
	for target, single := range pmtus(t, alone) {
		truth := p.worlds[0].Host(netip.MustParseAddr(target)).MTU
		require.Equal(t, truth, single, "%s alone", target)
		require.Equal(t, single, got[target]["a"], "%s from a", target)
		require.Equal(t, single, got[target]["b"], "%s from b", target)
		require.Equal(t, min(single, narrow), got[target]["c"], "%s from c", target)
		if single > narrow {
			differ++
		}
	}
	assert.Positive(t, differ)
	assert.Less(t, differ, n)
	assert.Contains(t, server.err.String(), fmt.Sprintf("%d targets alike from several vantages, %d not", n-differ, differ))
	said := strings.Split(strings.TrimSpace(server.err.String()), "\n")
	t.Log(said[len(said)-1])
	again := strings.Count(string(text), `"epoch":2`) + strings.Count(string(text), `"epoch":3`)
	t.Logf("%d records came from shards that were handed out again", again)
}

func pmtus(t testing.TB, name string) map[string]int {
	f, err := os.Open(name)
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	out := map[string]int{}
	for r := results.NewReader(f); ; {
		rec, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(t, err)
		require.NotNil(t, rec.PMTU, rec.Target)
		out[rec.Target] = *rec.PMTU
	}
}

// disturb kills processes and cuts cables, at random moments, until the server
// has ended by itself or all records are there.
func disturb(t *testing.T, p *places, server *process, workers []*process, complete func() bool) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	random := rand.New(rand.NewPCG(3, 4))
	wait := func(most time.Duration) bool {
		select {
		case err := <-server.done:
			server.done = nil
			require.NoError(t, err, "server")
			return false
		case <-time.After(time.Duration(random.Int64N(int64(most)))):
			return true
		case <-ctx.Done():
			require.NoError(t, ctx.Err(), "not finished in time")
			return false
		}
	}
	did := map[string]int{}
	const most = 9 // disturbances; then it may end
	for k, ended := 0, false; !ended; k++ {
		if ended = !wait(3 * time.Second); ended {
			break
		}
		if k >= most || complete() {
			continue
		}
		i := random.IntN(len(workers))
		switch k % 3 {
		case 0:
			workers[i].kill()
			did["worker killed"]++
			if ended = !wait(time.Second); !ended {
				workers[i].run()
			}
		case 1:
			server.kill()
			time.Sleep(time.Duration(random.IntN(1000)) * time.Millisecond)
			server.run()
			did["server killed"]++
		case 2:
			cut, what := func(on bool) { p.cut(t, i, !on) }, "cable cut"
			if k%2 == 1 {
				cut, what = func(on bool) { p.drop(t, i, on) }, "packets dropped"
			}
			cut(true)
			ended = !wait(7 * time.Second) // longer than a lease, or not
			cut(false)
			did[what]++
		}
	}
	t.Logf("%v", did)
	require.Len(t, did, 4, "each kind of disturbance at least once: %v", did)
}
