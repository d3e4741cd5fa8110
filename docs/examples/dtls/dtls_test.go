package dtls

import (
	"net"
	"sync/atomic"
	"testing"
	"time"

	pion "github.com/pion/dtls/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// counted remembers the size of the datagram sent last.
type counted struct {
	net.PacketConn
	last atomic.Int64
}

func (c *counted) WriteTo(p []byte, to net.Addr) (int, error) {
	c.last.Store(int64(len(p)))
	return c.PacketConn.WriteTo(p, to)
}

// What is assumed of the record's overhead is what pion sends.
func TestRecordOverhead(t *testing.T) {
	psk := func([]byte) ([]byte, error) { return []byte("a key that both ends know"), nil }
	listener, err := pion.ListenWithOptions("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)},
		pion.WithPSK(psk), pion.WithPSKIdentityHint([]byte("srv")), pion.WithCipherSuites(Suite))
	require.NoError(t, err)
	defer listener.Close()
	got := make(chan string, 1)
	go func() {
		c, err := listener.Accept()
		if err != nil {
			return
		}
		srv := Answer(c.(*pion.Conn))
		defer srv.Close()
		buf := make([]byte, 2000)
		for range 3 {
			n, err := srv.Read(buf)
			if err != nil {
				return
			}
			got <- string(buf[:n])
		}
	}()

	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	sock := &counted{PacketConn: u}
	c, err := pion.ClientWithOptions(sock, listener.Addr(),
		pion.WithPSK(psk), pion.WithPSKIdentityHint([]byte("cli")), pion.WithCipherSuites(Suite))
	require.NoError(t, err)
	require.NoError(t, c.Handshake())
	cli := Answer(c)
	defer cli.Close()
	for _, n := range []int{1, 500, 1400} {
		_, err := cli.Write(make([]byte, n))
		require.NoError(t, err)
		assert.EqualValues(t, n+kindLen+RecordOverhead, sock.last.Load())
		select {
		case s := <-got:
			assert.Len(t, s, n)
		case <-time.After(10 * time.Second):
			require.Fail(t, "no message")
		}
	}
}
