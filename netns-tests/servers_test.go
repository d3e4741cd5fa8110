//go:build linux

package netnstests

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/labtest"
	"pathmtu/results"
)

// server is a real program that answers a method of the probe.
type server struct {
	name   string
	method string
	port   string
	step   int // granularity of the method's sizes
	// conf is written to the file conf in the server's directory; DIR stands for
	// that directory.
	conf string
	cmd  []string // DIR as above
	// inside starts a server of this process instead, on a socket of the node.
	inside func(t *testing.T, conn net.PacketConn)
}

var servers = []server{
	{name: "bind9", method: "dns", port: "53", step: 1, cmd: []string{"named", "-f", "-n", "1", "-c", "DIR/conf"}, conf: `
options {
	directory "DIR"; pid-file "DIR/pid"; session-keyfile "DIR/session.key";
	listen-on { any; }; listen-on-v6 { any; };
	recursion no; allow-query { any; };
};
controls { };
`},
	{name: "unbound", method: "dns", port: "53", step: 1, cmd: []string{"unbound", "-d", "-c", "DIR/conf"}, conf: `
server:
	interface: 0.0.0.0
	interface: ::0
	access-control: 0.0.0.0/0 allow
	access-control: ::0/0 allow
	username: ""
	chroot: ""
	directory: "DIR"
	pidfile: "DIR/pid"
	use-syslog: no
remote-control:
	control-enable: no
`},
	{name: "knot", method: "dns", port: "53", step: 1, cmd: []string{"knotd", "-c", "DIR/conf"}, conf: `
server:
    rundir: "DIR"
    listen: [ 0.0.0.0@53, "::@53" ]
    udp-workers: 1
    background-workers: 1
database:
    storage: "DIR"
log:
  - target: stderr
    any: error
`},
	{name: "nsd", method: "dns", port: "53", step: 1, cmd: []string{"nsd", "-d", "-c", "DIR/conf"}, conf: `
server:
	ip-address: 0.0.0.0
	ip-address: ::0
	username: ""
	chroot: ""
	database: ""
	zonesdir: "DIR"
	pidfile: "DIR/pid"
	xfrdfile: "DIR/xfrd"
	xfrdir: "DIR"
	zonelistfile: "DIR/zones"
remote-control:
	control-enable: no
`},
	{name: "coturn", method: "stun", port: "3478", step: 4, cmd: []string{
		"turnserver", "-n", "--no-tls", "--no-dtls", "--no-cli", "--no-auth", "--log-file", "stdout",
		"--pidfile", "DIR/pid", "--userdb", "DIR/db", "--listening-port", "3478"}},
	{name: "ngtcp2", method: "quic", port: "443", step: 1, cmd: []string{"gtlsserver", "-q", "*", "443", "DIR/key.pem", "DIR/cert.pem"}},
	{name: "quic-go", method: "quic", port: "443", step: 1, inside: func(t *testing.T, conn net.PacketConn) {
		pair, err := tls.X509KeyPair(certificate(t))
		require.NoError(t, err)
		tr := &quic.Transport{Conn: conn}
		ln, err := tr.Listen(&tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"probe-test"}}, nil)
		require.NoError(t, err)
		t.Cleanup(func() { _ = ln.Close(); _ = tr.Close(); _ = conn.Close() })
	}},
}

// certificate makes a certificate and its key, both PEM.
func certificate(t *testing.T) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"srv"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

// start runs the server on srv until the test ends, and waits until it answers.
func (s server) start(t *testing.T, lab *netlab.Lab) {
	t.Helper()
	node := lab.Node("srv")
	if s.inside != nil {
		var conn net.PacketConn
		require.NoError(t, node.Do(func() (err error) {
			conn, err = net.ListenPacket("udp", ":"+s.port)
			return err
		}))
		s.inside(t, conn)
		return
	}
	_, err := exec.LookPath(s.cmd[0])
	labtest.Need(t, err == nil, s.cmd[0])
	dir := t.TempDir()
	cert, key := certificate(t)
	for name, content := range map[string]string{"conf": s.conf, "cert.pem": string(cert), "key.pem": string(key)} {
		content = strings.ReplaceAll(content, "DIR", dir)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	args := make([]string, len(s.cmd))
	for i, a := range s.cmd {
		args[i] = strings.ReplaceAll(a, "DIR", dir)
	}
	ctx, stop := context.WithCancel(context.Background())
	cmd := netlab.Command(ctx, args[0], args[1:]...)
	var said labtest.Output
	cmd.Stdout, cmd.Stderr, cmd.Dir = &said, &said, dir
	require.NoError(t, node.Start(cmd))
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { stop(); <-ended })
	sockets := "-u"
	if s.method == "tcp" {
		sockets = "-t"
	}
	for _, family := range []string{"-4", "-6"} {
		require.Eventually(t, func() bool {
			out, _, err := node.Run(ctx, "ss", "-Hln", sockets, family, "sport", "=", ":"+s.port)
			return err == nil && len(bytes.TrimSpace(out)) > 0
		}, hangs, 20*time.Millisecond, "%s doesn't listen (%s): %s", s.name, family, &said)
	}
	// A server may open its sockets long before it reads from them.
	srv, _ := lab.Addr("srv", 4)
	require.Eventually(t, func() bool {
		_, _, err := lab.Node("cli").Run(ctx, program, "probe", "--method", s.method, "--max", "1228", srv.String())
		return err == nil
	}, hangs, 20*time.Millisecond, "%s doesn't answer: %s", s.name, &said)
}

// Every method finds the exact size against real servers, whatever becomes of
// packet-too-big messages, in both families, without a privilege.
func TestServers(t *testing.T) {
	const truth = 1413
	for _, s := range servers {
		for name, ptb := range map[string]netlab.PTB{"delivered": delivered, "filtered": filtered} {
			t.Run(s.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				lab := build(t, netlab.Path(1500, truth, ptb))
				s.start(t, lab)
				for family, least := range map[int]int{4: 28, 6: 48} {
					srv, _ := lab.Addr("srv", family)
					o := run(t, lab.Node("cli"), nobody, "probe", "--json", "--method", s.method, srv.String())
					rec, err := results.NewReader(strings.NewReader(o.stdout)).Read()
					require.NoError(t, err, "%s%s", o.stdout, o.stderr)
					what := fmt.Sprintf("IPv%d: %s", family, o.stdout)
					if assert.NotNil(t, rec.PMTU, what) {
						assert.Equal(t, truth-(truth-least)%s.step, *rec.PMTU, what)
					}
					assert.Equal(t, results.Forward, rec.Direction)
					if ptb == delivered {
						assert.Equal(t, results.OK, rec.Verdict, what)
						if assert.Len(t, rec.PTB, 1, what) {
							assert.Equal(t, results.Exact, rec.PTB[0].Grade)
						}
					} else {
						assert.Equal(t, results.OKSilent, rec.Verdict, what)
					}
				}
			})
		}
	}
}

// limitedServers answer up to a size of their own.
var limitedServers = []struct {
	server
	payload int // bytes of UDP payload
}{
	{server{name: "dnsmasq", method: "dns", port: "53", step: 1, conf: "no-resolv\nno-hosts\nno-daemon\nuser=root\npid-file=DIR/pid\n",
		cmd: []string{"dnsmasq", "-C", "DIR/conf"}}, 1232},
	{server{name: "chrony", method: "ntp", port: "123", step: 4, conf: "allow\nlocal stratum 8\ncmdport 0\npidfile DIR/pid\ndriftfile DIR/drift\n",
		cmd: []string{"chronyd", "-d", "-x", "-u", "root", "-f", "DIR/conf"}}, 1140},
}

// A server's own limit is found exactly. Alone it can't be told from a black
// hole, which costs confidence; beside a second method it can.
func TestServerLimits(t *testing.T) {
	for _, s := range limitedServers {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			lab := build(t, netlab.Path(1500, 1500, delivered))
			s.start(t, lab)
			for family, headers := range map[int]int{4: 28, 6: 48} {
				srv, _ := lab.Addr("srv", family)
				measure := func(method string) (*results.Record, string) {
					o := run(t, lab.Node("cli"), nobody, "probe", "--json", "--method", method, srv.String())
					rec, err := results.NewReader(strings.NewReader(o.stdout)).Read()
					require.NoError(t, err, "%s%s", o.stdout, o.stderr)
					require.NotNil(t, rec.PMTU, o.stdout)
					return rec, o.stdout
				}
				rec, what := measure(s.method)
				assert.Equal(t, s.payload+headers, *rec.PMTU, what)
				assert.Equal(t, results.OKSilent, rec.Verdict, what)
				assert.LessOrEqual(t, rec.Confidence, 0.5, what)

				rec, what = measure(s.method + ",icmp")
				assert.Equal(t, 1500, *rec.PMTU, what)
				assert.Equal(t, results.OK, rec.Verdict, what)
				require.Len(t, rec.Methods, 2)
				assert.Equal(t, results.ResponderLimit, rec.Methods[0].Verdict, what)
				assert.Equal(t, s.payload+headers, *rec.Methods[0].PMTU, what)
			}
		})
	}
}

// QUIC servers ignore datagrams of less than 1200 bytes: a smaller path can't be
// measured by them, and one that just carries them can.
func TestQUICLeast(t *testing.T) {
	for _, s := range servers {
		if s.method != "quic" {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			topology := netlab.Path(1500, 1500, delivered)
			topology.Links[1].B.Loss = []netlab.Loss{{Above: 1228, Percent: 100}}
			lab := build(t, topology)
			s.start(t, lab)
			srv, _ := lab.Addr("srv", 4)
			o := run(t, lab.Node("cli"), nobody, "probe", "--json", "--method", "quic", srv.String())
			rec, err := results.NewReader(strings.NewReader(o.stdout)).Read()
			require.NoError(t, err, o.stdout)
			if assert.NotNil(t, rec.PMTU, o.stdout) {
				assert.Equal(t, 1228, *rec.PMTU, o.stdout)
			}
			srv, _ = lab.Addr("srv", 6) // 1248 bytes at least
			o = run(t, lab.Node("cli"), nobody, "probe", "--json", "--method", "quic", srv.String())
			rec, err = results.NewReader(strings.NewReader(o.stdout)).Read()
			require.NoError(t, err, o.stdout)
			assert.Nil(t, rec.PMTU, o.stdout)
			assert.Equal(t, results.Unresponsive, rec.Verdict, o.stdout)
		})
	}
}
