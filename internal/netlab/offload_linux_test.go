package netlab

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// With segmentation offload a bulk TCP transfer crosses a veth in packets of
// tens of kilobytes. Without, no packet is larger than the MTU.
func TestPacketsHaveTheirSizeOnTheWire(t *testing.T) {
	lab := build(t, Path(1500, 1500, PTB{}))
	tap := packetTap(t, lab.Node("r1"))
	largest, total := make(chan int), 0
	go func() {
		most := 0
		buf := make([]byte, 1<<16)
		for {
			n, _, err := unix.Recvfrom(tap, buf, 0)
			if err != nil || n == 0 {
				largest <- most
				return
			}
			most = max(most, n)
		}
	}()
	const bulk = 1 << 20
	total = transfer(t, lab, bulk)
	require.Equal(t, bulk, total)
	require.NoError(t, unix.SetsockoptTimeval(tap, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 200_000}))
	assert.Equal(t, 1500+14, <-largest, "frames of exactly MTU and Ethernet header")
}

// packetTap opens a packet socket that sees every frame of a node.
func packetTap(t *testing.T, n *LiveNode) int {
	t.Helper()
	fd := -1
	const everything = uint16(unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8)
	require.NoError(t, n.Do(func() (err error) {
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(everything))
		return err
	}))
	require.NoError(t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 2}))
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// transfer sends bulk bytes from cli to srv over TCP and returns how many came.
func transfer(t *testing.T, lab *Lab, bulk int) int {
	t.Helper()
	srv, _ := lab.Addr("srv", 6)
	var listener *net.TCPListener
	require.NoError(t, lab.Node("srv").Do(func() (err error) {
		listener, err = net.ListenTCP("tcp6", &net.TCPAddr{IP: srv.AsSlice()})
		return err
	}))
	defer listener.Close()
	var client *net.TCPConn
	require.NoError(t, lab.Node("cli").Do(func() (err error) {
		client, err = net.DialTCP("tcp6", nil, listener.Addr().(*net.TCPAddr))
		return err
	}))
	defer client.Close()
	server, err := listener.AcceptTCP()
	require.NoError(t, err)
	defer server.Close()
	deadline := time.Now().Add(20 * time.Second)
	require.NoError(t, client.SetDeadline(deadline))
	require.NoError(t, server.SetDeadline(deadline))
	go func() {
		_, _ = client.Write(make([]byte, bulk))
		_ = client.CloseWrite()
	}()
	n, err := io.Copy(io.Discard, server)
	require.NoError(t, err)
	return int(n)
}
