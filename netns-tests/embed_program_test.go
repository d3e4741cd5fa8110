//go:build linux

package netnstests

import (
	"bytes"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab"
)

// The examples as a program: one process in each namespace.
func TestTransferProgram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	transfer := filepath.Join(dir, "transfer")
	out, err := exec.Command("go", "build", "-o", transfer, "pathmtu/docs/examples/cmd/transfer").CombinedOutput()
	require.NoError(t, err, "%s", out)
	file := make([]byte, 300_000)
	rand.Read(file)
	for _, by := range []string{"plain", "dtls", "quiclike"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			lab := build(t, netlab.Path(1500, 1400, netlab.PTB{}))
			srv, _ := lab.Addr("srv", 4)
			var got, told, why bytes.Buffer
			receive := netlab.Command(t.Context(), transfer, "-by", by, "-listen", srv.String()+":7000")
			receive.Stdout, receive.Stderr = &got, &why
			require.NoError(t, lab.Node("srv").Start(receive))
			// A sender that comes too early would only have to try again; the
			// listening socket is waited for to keep the test short.
			require.Eventually(t, func() bool {
				udp, err := os.ReadFile("/proc/" + pid(receive) + "/net/udp")
				return err == nil && bytes.Contains(udp, []byte(":1B58 "))
			}, embedSoon, 5*time.Millisecond)
			send := netlab.Command(t.Context(), transfer, "-by", by, "-to", srv.String()+":7000")
			send.Stdin, send.Stderr = bytes.NewReader(file), &told
			require.NoError(t, lab.Node("cli").Start(send))
			require.NoError(t, send.Wait(), "%s", &told)
			require.NoError(t, receive.Wait(), "%s", &why)
			assert.True(t, bytes.Equal(file, got.Bytes()), "%d bytes arrived", got.Len())
			assert.NotEmpty(t, told.String(), "the size in use is told")
		})
	}
}

func pid(cmd *exec.Cmd) string { return strconv.Itoa(cmd.Process.Pid) }
