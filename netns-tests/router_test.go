//go:build linux

package netnstests

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/hbh"
	"pathmtu/hbh/hbhsock"
	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/labtest"
)

// service is a verb of the program that runs in a node until it is told to end.
type service struct {
	t   *testing.T
	cmd *exec.Cmd
	out bytes.Buffer

	mu     sync.Mutex
	said   []string
	ended  chan struct{}
	waited bool
}

// serve starts the program and waits until it says that it is ready.
func serve(t *testing.T, node *netlab.LiveNode, ready string, args ...string) *service {
	t.Helper()
	s := &service{t: t, cmd: exec.Command(program, args...), ended: make(chan struct{})}
	s.cmd.Stdout = &s.out
	errOut, err := s.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, node.Start(s.cmd))
	go func() {
		defer close(s.ended)
		lines := bufio.NewScanner(errOut)
		for lines.Scan() {
			s.mu.Lock()
			s.said = append(s.said, lines.Text())
			s.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		if !s.waited {
			_ = s.cmd.Process.Kill()
			<-s.ended
			_ = s.cmd.Wait()
		}
		if t.Failed() {
			t.Logf("%v said:\n%s", args, s.text())
		}
	})
	s.waitFor(ready)
	return s
}

func (s *service) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.said, "\n")
}

func (s *service) waitFor(text string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return strings.Contains(s.text(), text) }, 30*time.Second, 10*time.Millisecond,
		"%q was not said", text)
}

// end asks the service to end and returns its exit code and output.
func (s *service) end() (code int, out string) {
	s.t.Helper()
	require.NoError(s.t, s.cmd.Process.Signal(syscall.SIGTERM))
	<-s.ended
	s.waited = true
	err := s.cmd.Wait()
	if err != nil {
		require.IsType(s.t, &exec.ExitError{}, err)
	}
	return s.cmd.ProcessState.ExitCode(), s.out.String()
}

// unprivileged checks that no thread of the service has a capability left.
func (s *service) unprivileged() {
	s.t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", s.cmd.Process.Pid))
	require.NoError(s.t, err)
	require.NotEmpty(s.t, threads)
	for _, name := range threads {
		text, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			continue // the thread has ended
		}
		require.NoError(s.t, err)
		assert.Regexp(s.t, `(?m)^CapEff:\s+0+$`, string(text))
	}
}

// plain is cli -- r1 -- srv whose middle is no kernel router.
func plain(t *testing.T, left, right int) *netlab.Lab {
	top := netlab.Chain("svc", netlab.PTB{}, left, right)
	for i := range top.Nodes {
		if top.Nodes[i].Name == "r1" {
			top.Nodes[i].Kind = netlab.Host
		}
	}
	return build(t, top)
}

func pings(t *testing.T, node *netlab.LiveNode, to string, size string) bool {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, _, err := node.Run(ctx, "ping", "-6", "-c1", "-W2", "-M", "do", "-s", size, to)
	return err == nil
}

// carrier opens a UDP socket that can carry the option.
func carrier(t *testing.T, node *netlab.LiveNode, addr string) *hbhsock.UDP {
	var u *hbhsock.UDP
	require.NoError(t, node.Do(func() error {
		c, err := net.ListenUDP("udp6", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr)))
		if err != nil {
			return err
		}
		t.Cleanup(func() { _ = c.Close() })
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			return err
		}
		u, err = hbhsock.NewUDP(c)
		return err
	}))
	return u
}

// ask sends a datagram with the option R to an echo port and returns what the
// answer's option says.
func ask(t *testing.T, u *hbhsock.UDP, min uint16, to string) hbh.Observed {
	require.NoError(t, u.WriteTo([]byte("x"), &hbh.Option{Min: min, R: true}, netip.MustParseAddrPort(to)))
	buf := make([]byte, 100)
	n, ob, _, err := u.ReadFrom(buf)
	require.NoError(t, err)
	assert.Equal(t, "x", string(buf[:n]))
	return ob
}

func TestRouterVerb(t *testing.T) {
	for _, path := range []string{"auto", "afxdp", "afpacket"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			lab := plain(t, 1500, 1400)
			cli := lab.Node("cli")
			dir := t.TempDir()
			sock, conf := filepath.Join(dir, "m"), filepath.Join(dir, "router.toml")
			write := func(s string) { require.NoError(t, os.WriteFile(conf, []byte(s), 0o600)) }
			write("[[port]]\nname = \"to-cli\"\n[[port]]\nname = \"to-srv\"\n")
			s := serve(t, lab.Node("r1"), ": forwarding", "router", "--config", conf, "--datapath", path, "--metrics", "unix:"+sock, "--json")
			if path == "auto" {
				assert.Contains(t, s.text(), "forwarding to 1; trying afxdp", "why the fast path is not taken")
			}
			require.True(t, pings(t, cli, "2001:db8:2::2", "1352"))
			require.False(t, pings(t, cli, "2001:db8:2::2", "1353"))

			metrics := func() string {
				c := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
					DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
						return (&net.Dialer{}).DialContext(ctx, "unix", sock)
					}}}
				r, err := c.Get("http://router/metrics")
				require.NoError(t, err)
				defer r.Body.Close()
				b, err := io.ReadAll(r.Body)
				require.NoError(t, err)
				return string(b)
			}
			s.unprivileged()
			m := metrics()
			assert.Contains(t, m, `pmtu_router_packets_total{reason="forwarded"} 2`)
			assert.Contains(t, m, `pmtu_router_packets_total{reason="too_big"} 1`)
			assert.Contains(t, m, `pmtu_router_icmp_errors_total{type="2"} 1`)

			// A faulty file changes nothing; a good one is taken.
			write("[[port]]\nname = \"to-cli\"\nmtu = 5\n[[port]]\nname = \"to-srv\"\n")
			require.NoError(t, s.cmd.Process.Signal(syscall.SIGHUP))
			s.waitFor("going on as before")
			assert.Contains(t, s.text(), "MTU 5")
			write("[[port]]\nname = \"to-cli\"\n[[port]]\nname = \"to-srv\"\n[[route]]\nprefix = \"2001:db8:2::2/128\"\nkind = \"prohibit\"\n")
			require.NoError(t, s.cmd.Process.Signal(syscall.SIGHUP))
			s.waitFor("router: reloaded")
			assert.False(t, pings(t, cli, "2001:db8:2::2", "100"))

			code, out := s.end()
			assert.Zero(t, code)
			var report struct {
				Packets map[string]uint64 `json:"packets"`
				Ports   map[string]map[string]uint64
			}
			require.NoError(t, json.Unmarshal([]byte(out), &report), out)
			assert.EqualValues(t, 1, report.Packets["prohibited"])
			assert.EqualValues(t, 2, report.Packets["forwarded"])
			assert.NotZero(t, report.Ports["to-cli"]["rx_packets"])
			_, err := os.Stat(sock)
			assert.ErrorIs(t, err, os.ErrNotExist, "the socket is gone")
		})
	}
}

// Our host behind our router, asked by a kernel host: R is answered with what
// arrived.
func TestHostVerbBehindRouterVerb(t *testing.T) {
	for _, path := range []string{"afpacket", "afxdp"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			lab := plain(t, 1500, 1400)
			serve(t, lab.Node("r1"), ": forwarding", "router", "--port", "to-cli", "--port", "to-srv", "--datapath", path)
			h := serve(t, lab.Node("srv"), "answering", "host", "--datapath", path, "--port", "to-r1", "--address", "2001:db8:2::99", "--gateway", "2001:db8:2::1")
			require.True(t, pings(t, lab.Node("cli"), "2001:db8:2::99", "1352"), "echo")
			require.True(t, pings(t, lab.Node("srv"), "2001:db8:2::2", "100"), "the kernel's own address is undisturbed")
			u := carrier(t, lab.Node("cli"), "[2001:db8:1::1]:5000")
			ob := ask(t, u, 1500, "[2001:db8:2::99]:7")
			assert.Equal(t, hbh.Observed{Count: 1, Min: 1400, Rtn: 1400}, ob)
			h.unprivileged()
			code, _ := h.end()
			assert.Zero(t, code)
			assert.Contains(t, h.text(), "1 echo requests, 1 datagrams echoed, 1 answers with Min-PMTU")
		})
	}
}

// On a TUN interface everything that the kernel routes there reaches the host.
func TestHostVerbOnTUN(t *testing.T) {
	t.Parallel()
	lab := plain(t, 1500, 1400)
	srv := lab.Node("srv")
	serve(t, srv, "answering", "host", "--datapath", "tun", "--port", "echo0", "--address", "2001:db8:e::1", "--mtu", "1300")
	_, errOut, err := srv.Run(t.Context(), "ip", "-6", "route", "add", "2001:db8:e::/64", "dev", "echo0")
	require.NoError(t, err, "%s", errOut)
	require.Eventually(t, func() bool { return pings(t, srv, "2001:db8:e::1", "100") }, 10*time.Second, 50*time.Millisecond)
	u := carrier(t, srv, "[2001:db8:2::2]:5000")
	ob := ask(t, u, 1400, "[2001:db8:e::1]:7")
	assert.Equal(t, hbh.Observed{Count: 1, Min: 1300, Rtn: 1400}, ob)
}

// A TUN router answers for itself: no kernel does.
func TestRouterVerbOnTUN(t *testing.T) {
	t.Parallel()
	lab := plain(t, 1500, 1400)
	r1 := lab.Node("r1")
	dir := t.TempDir()
	conf := filepath.Join(dir, "router.toml")
	require.NoError(t, os.WriteFile(conf, []byte(`
datapath = "tun"
[[port]]
name = "ta"
mtu = 1500
address = "2001:db8:a::ff"
[[route]]
prefix = "2001:db8:a::/64"
port = "ta"
[[route]]
prefix = "2001:db8:1::/64"
port = "ta"
`), 0o600))
	serve(t, r1, ": forwarding", "router", "--config", conf)
	_, errOut, err := r1.Run(t.Context(), "ip", "-6", "route", "add", "2001:db8:a::/64", "dev", "ta")
	require.NoError(t, err, "%s", errOut)
	require.Eventually(t, func() bool {
		_, _, err := r1.Run(t.Context(), "ping", "-6", "-c1", "-W1", "-I", "2001:db8:1::2", "2001:db8:a::ff")
		return err == nil
	}, 10*time.Second, 50*time.Millisecond)
}

func TestRouterVerbWrongUse(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ args, want string }{
		{"router", "no ports"},
		{"router --port a --datapath ether", `"ether"`},
		{"router --port a=ether", `"ether"`},
		{"router --port a --port a", "twice"},
		{"router --port a --route 192.0.2.0/24=a", `"192.0.2.0/24"`},
		{"router --port a --route 2001:db8::/32", "PREFIX=PORT"},
		{"router --port a --route 2001:db8::/32=a,nowhere", `"nowhere"`},
		{"router --port a --metrics 0.0.0.0:80", `"0.0.0.0:80"`},
		{"router --config /nonexistent.toml", "/nonexistent.toml"},
		{"host --port a --address 192.0.2.1", `"192.0.2.1"`},
		{"host --port a --address 2001:db8::1 --mtu 5", "mtu 5"},
		{"host --port a --address 2001:db8::1 --echo-port 0", "echo-port 0"},
		{"host --port a", "address"},
	} {
		out, err := exec.Command(program, strings.Fields(tc.args)...).CombinedOutput()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit, tc.args)
		assert.Equal(t, 2, exit.ExitCode(), "%s: %s", tc.args, out)
		assert.Contains(t, string(out), tc.want)
	}
	conf := filepath.Join(t.TempDir(), "c.toml")
	require.NoError(t, os.WriteFile(conf, []byte("[[port]]\nname=\"a\"\ncolour=\"red\"\n"), 0o600))
	out, err := exec.Command(program, "router", "--config", conf).CombinedOutput()
	assert.Error(t, err)
	assert.Contains(t, string(out), "port.colour")
}

// Without privileges: exit code 3, what is missing, and what works.
func TestRouterVerbWithoutPrivilege(t *testing.T) {
	t.Parallel()
	labtest.Need(t, os.Getuid() == 0, "root, to become another user")
	cmd := exec.Command(program, "router", "--datapath", "tun", "--port", "pmtutst0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	assert.Equal(t, 3, exit.ExitCode(), "%s", out)
	assert.Contains(t, string(out), "CAP_NET_ADMIN")
	assert.Contains(t, string(out), "user namespace")
}

// In a user namespace there is no eBPF; AF_PACKET ports do without, as long as
// the kernel there doesn't forward.
func TestRouterVerbInUserNamespace(t *testing.T) {
	t.Parallel()
	labtest.Need(t, os.Getuid() == 0, "root, to become another user")
	// run starts the verb as another user, in a user namespace of its own, and ends
	// it once it has said that it is ready, if it gets that far.
	run := func(forwarding string) (string, error) {
		script := `ip link add va type veth peer name vb && ip link set va up && ip link set vb up &&
			ip addr add 2001:db8:5::1/64 dev va nodad && sysctl -qw net.ipv6.conf.va.forwarding=` + forwarding + ` &&
			exec ` + program + ` router --port va`
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "unshare", "--map-root-user", "--net", "sh", "-c", script)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		r, w := io.Pipe()
		cmd.Stdout, cmd.Stderr = w, w
		require.NoError(t, cmd.Start())
		said := make(chan string)
		go func() {
			var out strings.Builder
			for lines := bufio.NewScanner(r); lines.Scan(); {
				out.WriteString(lines.Text() + "\n")
				if strings.Contains(lines.Text(), "router: va: afpacket, MTU 1500") {
					_ = cmd.Process.Signal(syscall.SIGTERM)
				}
			}
			said <- out.String()
		}()
		err := cmd.Wait()
		_ = w.Close()
		return <-said, err
	}
	out, err := run("0")
	labtest.Need(t, !strings.Contains(out, "unshare failed"), "a kernel that lets users create user namespaces")
	require.NoError(t, err, "ended by the signal, gracefully: %s", out)
	assert.Contains(t, out, "trying afpacket")
	assert.Contains(t, out, "router: va: afpacket, MTU 1500")
	assert.Contains(t, out, "0 packets forwarded", "a graceful end")

	out, err = run("1")
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, out)
	assert.Equal(t, 3, exit.ExitCode(), "the kernel would forward each packet too: %s", out)
}
