//go:build linux

package netnstests

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/labtest"
	"pathmtu/results"
)

var nginx = server{name: "nginx", method: "tcp", port: "80", step: 1,
	cmd: []string{"nginx", "-e", "stderr", "-p", "DIR", "-c", "DIR/conf"}, conf: `
daemon off;
master_process off;
pid DIR/pid;
error_log stderr info;
events { }
http {
	access_log DIR/access;
	client_body_temp_path DIR/body;
	proxy_temp_path DIR/proxy;
	fastcgi_temp_path DIR/fastcgi;
	uwsgi_temp_path DIR/uwsgi;
	scgi_temp_path DIR/scgi;
	server { listen 80; listen [::]:80; return 204; }
}
`}

// listen accepts TCP connections on srv, and does nothing with them.
func listen(t *testing.T, lab *netlab.Lab, port string) {
	t.Helper()
	var ln net.Listener
	require.NoError(t, lab.Node("srv").Do(func() (err error) {
		ln, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", ":"+port)
		return err
	}))
	t.Cleanup(func() { assert.NoError(t, ln.Close()) })
}

// Segments of a connection to a web server, or to a listener that accepts none of
// them, find the exact size, and no connection remains at the server.
func TestTCPConnection(t *testing.T) {
	for name, start := range map[string]func(*testing.T, *netlab.Lab){
		"nginx":    func(t *testing.T, lab *netlab.Lab) { nginx.start(t, lab) },
		"listener": func(t *testing.T, lab *netlab.Lab) { listen(t, lab, "80") },
	} {
		for _, c := range []struct {
			edge, truth int
			ptb         netlab.PTB
		}{
			{1500, 1413, delivered}, {1500, 1413, filtered}, {9000, 8123, filtered}, {9000, 9000, delivered}, {1500, 1281, delivered},
		} {
			path := netlab.Path(c.edge, c.truth, c.ptb)
			t.Run(name+"/"+path.Name, func(t *testing.T) {
				t.Parallel()
				lab := build(t, path)
				start(t, lab)
				for _, family := range []int{4, 6} {
					rec, what := tcpProbe(t, lab, family)
					if assert.NotNil(t, rec.PMTU, what) {
						assert.Equal(t, c.truth, *rec.PMTU, what)
					}
					assert.Equal(t, results.Forward, rec.Direction)
					if c.ptb == filtered {
						assert.Equal(t, results.OKSilent, rec.Verdict, what)
					} else {
						assert.Equal(t, results.OK, rec.Verdict, what)
					}
					assert.Contains(t, rec.Evidence[0], "segments of a connection to port 80", what)
				}
				nothingRemains(t, lab)
			})
		}
	}
}

// A host that doesn't acknowledge selectively, and one whose port is closed, are
// measured by SYNs.
func TestTCPWithoutConnection(t *testing.T) {
	topology := netlab.Path(1500, 1413, filtered)
	topology.Nodes[len(topology.Nodes)-1].Sysctls = map[string]string{"net.ipv4.tcp_sack": "0"}
	lab := build(t, topology)
	for _, state := range []string{"closed", "open"} {
		if state == "open" {
			listen(t, lab, "80")
		}
		for _, family := range []int{4, 6} {
			rec, what := tcpProbe(t, lab, family)
			require.NotNil(t, rec.PMTU, what)
			assert.Equal(t, 1413, *rec.PMTU, what)
			assert.NotContains(t, strings.Join(rec.Evidence, "\n"), "segments of a connection", what)
		}
		nothingRemains(t, lab)
	}
}

// On a host that stamps no segments, and one that reports no duplicates, it works
// as well; the latter by SYNs.
func TestTCPVariants(t *testing.T) {
	for sysctl, connection := range map[string]bool{"net.ipv4.tcp_timestamps": true, "net.ipv4.tcp_dsack": false} {
		t.Run(sysctl, func(t *testing.T) {
			t.Parallel()
			topology := netlab.Path(1500, 1413, delivered)
			topology.Nodes[len(topology.Nodes)-1].Sysctls = map[string]string{sysctl: "0"}
			lab := build(t, topology)
			listen(t, lab, "80")
			for _, family := range []int{4, 6} {
				rec, what := tcpProbe(t, lab, family)
				require.NotNil(t, rec.PMTU, what)
				assert.Equal(t, 1413, *rec.PMTU, what)
				assert.Equal(t, connection, strings.Contains(rec.Evidence[0], "segments of a connection"), what)
			}
			nothingRemains(t, lab)
		})
	}
}

// Nothing remains either if the program is killed amid the measurement.
func TestTCPKilled(t *testing.T) {
	lab := build(t, netlab.Path(1500, 1413, filtered))
	listen(t, lab, "80")
	srv, _ := lab.Addr("srv", 4)
	cmd := netlab.Command(t.Context(), program, "probe", "--method", "tcp", "--loss", "10000", srv.String())
	require.NoError(t, lab.Node("cli").Start(cmd))
	require.Eventually(t, func() bool {
		out, _, err := lab.Node("srv").Run(t.Context(), "ss", "-Htan", "state", "established")
		return err == nil && len(out) > 0
	}, hangs, 10*time.Millisecond, "it has begun")
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	nothingRemains(t, lab)
}

func tcpProbe(t *testing.T, lab *netlab.Lab, family int) (*results.Record, string) {
	t.Helper()
	labtest.Need(t, netlab.Capable(), "CAP_NET_RAW")
	srv, _ := lab.Addr("srv", family)
	return recordOf(t, lab, "--method", "tcp", srv.String())
}

// nothingRemains: srv has no connection, in whatever state.
func nothingRemains(t *testing.T, lab *netlab.Lab) {
	t.Helper()
	out, _, err := lab.Node("srv").Run(t.Context(), "ss", "-Htan", "exclude", "listening")
	require.NoError(t, err)
	assert.Empty(t, string(out), "connections that remain at the server")
}
