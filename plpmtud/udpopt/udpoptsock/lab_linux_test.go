package udpoptsock_test

import (
	"context"
	"crypto/rand"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/labtest"
	"pathmtu/plpmtud/udpopt"
	"pathmtu/plpmtud/udpopt/udpoptsock"
)

// patience bounds every wait; what is waited for comes much sooner.
const patience = 60 * time.Second

func build(t *testing.T, topology netlab.Topology) *netlab.Lab {
	t.Helper()
	labtest.Need(t, netlab.Capable(), "CAP_NET_ADMIN and CAP_SYS_ADMIN for network namespaces")
	lab, err := netlab.Build(context.Background(), topology)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, lab.Close()) })
	return lab
}

// at returns a port at a node's address.
func at(t *testing.T, lab *netlab.Lab, node string, family int, port uint16) netip.AddrPort {
	a, ok := lab.Addr(node, family)
	require.True(t, ok)
	return netip.AddrPortFrom(a, port)
}

// quick is a configuration whose timers are as short as RFC 8899 allows.
func quick(local, remote netip.AddrPort) udpopt.Config {
	c := udpopt.Config{Enabled: true, Local: local, Remote: remote, Random: rand.Reader,
		Respond: udpopt.ResponderConfig{Interval: 5 * time.Millisecond}}
	c.Path.ProbeTimeout = time.Second
	return c
}

func dial(t *testing.T, lab *netlab.Lab, node string, c udpopt.Config) *udpoptsock.Conn {
	t.Helper()
	var conn *udpoptsock.Conn
	require.NoError(t, lab.Node(node).Do(func() (err error) {
		conn, err = udpoptsock.Dial(c)
		return err
	}))
	t.Cleanup(func() { conn.Close() })
	return conn
}

func listen(t *testing.T, lab *netlab.Lab, node string, c udpoptsock.ListenConfig) *udpoptsock.Listener {
	t.Helper()
	var l *udpoptsock.Listener
	require.NoError(t, lab.Node(node).Do(func() (err error) {
		l, err = udpoptsock.Listen(c)
		return err
	}))
	t.Cleanup(func() { l.Close() })
	return l
}

// echo is a UDP echo server that knows nothing of options: the kernel's socket.
// It reports the length of each datagram it was given.
func echo(t *testing.T, lab *netlab.Lab, node string, local netip.AddrPort) <-chan int {
	t.Helper()
	var conn *net.UDPConn
	require.NoError(t, lab.Node(node).Do(func() (err error) {
		conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(local))
		return err
	}))
	lengths := make(chan int, 1000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 65535)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			lengths <- n
			if n > 0 {
				conn.WriteToUDPAddrPort(b[:n], from)
			}
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
	return lengths
}

// eventually polls, since the machine may be busy.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	require.Eventually(t, holds, patience, 10*time.Millisecond, what)
}
