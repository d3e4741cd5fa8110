package udppath

import (
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A read that is told of one ICMP message after the other goes on, and pauses:
// it does not spin.
func TestReadDoesNotSpin(t *testing.T) {
	refused := os.NewSyscallError("recvfrom", syscall.ECONNREFUSED)
	for _, messages := range []int{pendingInARow, 1000} {
		synctest.Test(t, func(t *testing.T) {
			peer := netip.MustParseAddrPort("192.0.2.1:7000")
			calls := 0
			c := &Conn{peer: peer, recv: func(p []byte) (int, netip.AddrPort, error) {
				if calls++; calls <= messages {
					return 0, netip.AddrPort{}, refused
				}
				return copy(p, "data"), peer, nil
			}}
			began := time.Now()
			b := make([]byte, 10)
			n, err := c.Read(b)
			require.NoError(t, err)
			assert.Equal(t, "data", string(b[:n]))
			assert.Equal(t, time.Duration(messages-pendingInARow)*pause, time.Since(began))
			assert.EqualValues(t, messages, c.Stats().Pending)
		})
	}
}
