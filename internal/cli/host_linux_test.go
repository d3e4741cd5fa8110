package cli

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/host"
	"pathmtu/truncate"
)

// Each switch of "pmtu host" reaches the host.
func TestHostFlags(t *testing.T) {
	for flag, on := range map[string]func(host.Config) bool{
		"--no-udp-options": func(c host.Config) bool { return c.NoUDPOptions },
		"--no-min-pmtu":    func(c host.Config) bool { return c.NoHopByHop },
		"--no-truncation":  func(c host.Config) bool { return c.NoTruncation },
		"--truncate=T0":    func(c host.Config) bool { return c.Truncation.Revision == truncate.T0 },
		"--truncate-codes=0x1f,0x9f,0xbf": func(c host.Config) bool {
			return c.Truncation.Codes == truncate.Codes{Eligible: 0x1f, Truncated: 0x9f, Enhanced: 0xbf}
		},
		"--echo-port=9": func(c host.Config) bool { return len(c.EchoPorts) == 1 && c.EchoPorts[0] == 9 },
	} {
		for _, args := range [][]string{nil, {flag}} {
			var o hostOptions
			cmd := newHostCommandInto(&o)
			require.NoError(t, cmd.ParseFlags(append([]string{"--port=eth0", "--address=2001:db8::1"}, args...)))
			_, h, err := o.config()
			require.NoError(t, err)
			assert.Equal(t, args != nil, on(h), "%s %v", flag, args)
		}
	}
}
