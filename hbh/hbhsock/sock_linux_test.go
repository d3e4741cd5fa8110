package hbhsock_test

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"pathmtu/hbh"
	"pathmtu/hbh/hbhsock"
	"pathmtu/internal/ip6"
	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/labtest"
)

const soon = 3 * time.Second // for what must come

// lab is cli ==9000== r1 --1420-- r2 ==9000== srv, the routers being the
// kernel's: they forward the option and do not change it.
func lab(t *testing.T) (l *netlab.Lab, cli, srv netip.Addr) {
	t.Helper()
	labtest.Need(t, netlab.Capable(), "CAP_NET_ADMIN and CAP_SYS_ADMIN")
	l, err := netlab.Build(t.Context(), netlab.Path(9000, 1420, netlab.PTB{}))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, l.Close()) })
	cli, _ = l.Addr("cli", 6)
	srv, _ = l.Addr("srv", 6)
	return l, cli, srv
}

func in(t *testing.T, l *netlab.Lab, node string, f func() error) {
	t.Helper()
	require.NoError(t, l.Node(node).Do(f))
}

func listenUDP(t *testing.T, addr netip.AddrPort) (*net.UDPConn, *hbhsock.UDP) {
	t.Helper()
	c, err := net.ListenUDP("udp6", net.UDPAddrFromAddrPort(addr))
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	u, err := hbhsock.NewUDP(c)
	require.NoError(t, err)
	return c, u
}

func local(c net.Conn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }

// The whole exchange of RFC 9268 over UDP sockets: request, answer in an empty
// datagram, hint.
func TestUDPExchange(t *testing.T) {
	l, cli, srv := lab(t)
	var cc, sc *net.UDPConn
	var client, server *hbhsock.UDP
	in(t, l, "cli", func() error { cc, client = listenUDP(t, netip.AddrPortFrom(cli, 0)); return nil })
	in(t, l, "srv", func() error { sc, server = listenUDP(t, netip.AddrPortFrom(srv, 0)); return nil })
	require.NoError(t, cc.SetReadDeadline(time.Now().Add(soon)))
	require.NoError(t, sc.SetReadDeadline(time.Now().Add(soon)))

	asker, err := hbh.NewFlow(hbh.FlowConfig{LinkMTU: 9000, Ask: true})
	require.NoError(t, err)
	answerer, err := hbh.NewFlow(hbh.FlowConfig{LinkMTU: 1500})
	require.NoError(t, err)

	asker.Start(time.Now())
	o, ok := asker.Poll(time.Now())
	require.True(t, ok)
	require.NoError(t, client.WriteTo([]byte("token"), &o, local(sc)))

	buf := make([]byte, 2000)
	n, ob, from, err := server.ReadFrom(buf)
	require.NoError(t, err)
	assert.Equal(t, "token", string(buf[:n]))
	assert.Equal(t, local(cc), from)
	assert.Equal(t, hbh.Observed{Count: 1, Min: 9000, R: true}, ob)
	ob.Min = 4000 // as if a router had lowered it
	answerer.Received(time.Now(), ob)
	o, ok = answerer.Poll(time.Now())
	require.True(t, ok)
	require.NoError(t, server.WriteTo(nil, &o, from))

	n, ob, _, err = client.ReadFrom(buf)
	require.NoError(t, err)
	assert.Zero(t, n)
	assert.Equal(t, hbh.Observed{Count: 1, Min: 1500, Rtn: 4000}, ob)
	assert.Equal(t, hbh.Report{MTU: 4000, Changed: true}, asker.Received(time.Now(), ob))

	// A datagram without the option says nothing.
	require.NoError(t, server.WriteTo([]byte("plain"), nil, from))
	n, ob, _, err = client.ReadFrom(buf)
	require.NoError(t, err)
	assert.Equal(t, "plain", string(buf[:n]))
	assert.Equal(t, hbh.Observed{}, ob)
}

// ICMPv6 echo, answered here instead of by the kernel.
func TestEchoExchange(t *testing.T) {
	l, cli, srv := lab(t)
	var client, server *hbhsock.Raw
	in(t, l, "cli", func() (err error) { client, err = hbhsock.OpenRaw(ip6.ProtoICMPv6, cli); return err })
	in(t, l, "srv", func() (err error) {
		if err := os.WriteFile("/proc/sys/net/ipv6/icmp/echo_ignore_all", []byte("1"), 0); err != nil {
			return err
		}
		server, err = hbhsock.OpenRaw(ip6.ProtoICMPv6, srv)
		return err
	})
	defer client.Close()
	defer server.Close()
	require.NoError(t, client.SetReadDeadline(time.Now().Add(soon)))
	require.NoError(t, server.SetReadDeadline(time.Now().Add(soon)))

	request := hbhsock.Echo{ID: 77, Seq: 3, Data: []byte("cookie")}
	require.NoError(t, client.WriteTo(request.AppendTo(nil), &hbh.Option{Min: 9000, R: true}, srv))
	buf := make([]byte, 2000)
	n, ob, from, err := server.ReadFrom(buf)
	require.NoError(t, err)
	assert.Equal(t, cli, from)
	assert.Equal(t, hbh.Observed{Count: 1, Min: 9000, R: true}, ob)
	got, ok := hbhsock.ParseEcho(buf[:n])
	require.True(t, ok)
	assert.Equal(t, request, got)

	got.Reply = true
	require.NoError(t, server.WriteTo(got.AppendTo(nil), &hbh.Option{Min: 9000, Rtn: 1500}, from))
	n, ob, from, err = client.ReadFrom(buf)
	require.NoError(t, err)
	assert.Equal(t, srv, from)
	assert.Equal(t, hbh.Observed{Count: 1, Min: 9000, Rtn: 1500}, ob)
	got, ok = hbhsock.ParseEcho(buf[:n])
	require.True(t, ok)
	assert.Equal(t, hbhsock.Echo{Reply: true, ID: 77, Seq: 3, Data: []byte("cookie")}, got)
}

// A UDP datagram without payload whose options (RFC 9868: REQ, then RES) lie
// behind its UDP Length.
func TestUDPOptionsExchange(t *testing.T) {
	l, cli, srv := lab(t)
	var client, server *hbhsock.Raw
	var sc *net.UDPConn
	in(t, l, "cli", func() (err error) { client, err = hbhsock.OpenRaw(ip6.ProtoUDP, cli); return err })
	in(t, l, "srv", func() (err error) {
		sc, _ = listenUDP(t, netip.AddrPortFrom(srv, 0)) // or the kernel reports the port unreachable
		server, err = hbhsock.OpenRaw(ip6.ProtoUDP, srv)
		return err
	})
	defer client.Close()
	defer server.Close()
	require.NoError(t, client.SetReadDeadline(time.Now().Add(soon)))
	require.NoError(t, server.SetReadDeadline(time.Now().Add(soon)))

	port := local(sc).Port()
	req := datagram(cli, srv, 40000, port, []byte{0, 0, 6, 6, 1, 2, 3, 4})
	require.NoError(t, client.WriteTo(req, &hbh.Option{Min: 9000, R: true}, srv))
	buf := make([]byte, 2000)
	n, ob, _, err := server.ReadFrom(buf)
	require.NoError(t, err)
	assert.Equal(t, req, buf[:n])
	assert.Equal(t, hbh.Observed{Count: 1, Min: 9000, R: true}, ob)

	var cu *net.UDPConn
	in(t, l, "cli", func() error { cu, _ = listenUDP(t, netip.AddrPortFrom(cli, 40000)); return nil })
	require.NotNil(t, cu)
	res := datagram(srv, cli, port, 40000, []byte{0, 0, 7, 6, 1, 2, 3, 4})
	require.NoError(t, server.WriteTo(res, &hbh.Option{Min: 1500, Rtn: 9000}, cli))
	n, ob, _, err = client.ReadFrom(buf)
	require.NoError(t, err)
	assert.Equal(t, res, buf[:n])
	assert.Equal(t, hbh.Observed{Count: 1, Min: 1500, Rtn: 9000}, ob)
}

// datagram is an empty UDP datagram with a surplus area behind it.
func datagram(src, dst netip.Addr, sport, dport uint16, surplus []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, sport)
	b = binary.BigEndian.AppendUint16(b, dport)
	b = append(b, 0, 8, 0, 0)
	binary.BigEndian.PutUint16(surplus, ip6.Sum(0).Word(uint16(len(surplus))).Add(surplus).Checksum()) // OCS
	ck := ip6.PseudoHeader(src, dst, 8, ip6.ProtoUDP).Add(b).Checksum()
	binary.BigEndian.PutUint16(b[6:], ck)
	return append(b, surplus...)
}

// Without CAP_NET_RAW a datagram can be sent, the option cannot, and the error
// says which capability is missing. Receiving needs none.
func TestPrivilege(t *testing.T) {
	sc, server := listenUDP(t, netip.MustParseAddrPort("[::1]:0"))
	require.NoError(t, sc.SetReadDeadline(time.Now().Add(soon)))
	_, client := listenUDP(t, netip.MustParseAddrPort("[::1]:0"))
	var plain, option, raw error
	withoutNetRaw(t, func() {
		option = client.WriteTo([]byte("x"), &hbh.Option{Min: 1500}, local(sc))
		plain = client.WriteTo([]byte("plain"), nil, local(sc))
		_, raw = hbhsock.OpenRaw(ip6.ProtoICMPv6, netip.Addr{})
	})
	assert.ErrorIs(t, option, hbhsock.ErrPrivilege)
	assert.ErrorIs(t, option, unix.EPERM)
	assert.ErrorIs(t, raw, hbhsock.ErrPrivilege)
	assert.NoError(t, plain)
	buf := make([]byte, 100)
	n, _, _, err := server.ReadFrom(buf)
	require.NoError(t, err)
	assert.Equal(t, "plain", string(buf[:n]))
}

// withoutNetRaw runs f on a thread that has dropped the capability, and that
// ends with it.
func withoutNetRaw(t *testing.T, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		err := unix.Capget(&hdr, &data[0])
		data[0].Effective &^= 1 << unix.CAP_NET_RAW
		err = errors.Join(err, unix.Capset(&hdr, &data[0]))
		if err == nil {
			f()
		}
		done <- err
	}()
	require.NoError(t, <-done)
}

func TestOpenRawAddress(t *testing.T) {
	for _, a := range []string{"192.0.2.1", "::ffff:192.0.2.1"} {
		_, err := hbhsock.OpenRaw(ip6.ProtoUDP, netip.MustParseAddr(a))
		assert.ErrorContains(t, err, a)
	}
}

func TestParseEcho(t *testing.T) {
	good := hbhsock.Echo{ID: 1, Seq: 2}.AppendTo(nil)
	for n := range good {
		_, ok := hbhsock.ParseEcho(good[:n])
		assert.False(t, ok)
	}
	good[0] = 3
	_, ok := hbhsock.ParseEcho(good)
	assert.False(t, ok)
}
