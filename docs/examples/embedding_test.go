package examples

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// block returns the first block of a language in a document.
func block(t *testing.T, text, language string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, "```"+language+"\n")
	require.True(t, ok, "no block of %s", language)
	code, _, ok := strings.Cut(rest, "```")
	require.True(t, ok)
	return code
}

// The program of docs/embedding.md, as a newcomer types it: in a module of its
// own, it builds and prints what the document says.
func TestEmbeddingDocument(t *testing.T) {
	text, err := os.ReadFile("../embedding.md")
	require.NoError(t, err)
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "first")
	require.NoError(t, os.Mkdir(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(block(t, string(text), "go")), 0o644))
	steps := 0
	for line := range strings.Lines(string(text)) {
		args := strings.Fields(strings.ReplaceAll(line, "pathmtu=../pathmtu", "pathmtu="+root))
		if !strings.HasPrefix(line, "go mod ") && !strings.HasPrefix(line, "go build -o first") {
			continue
		}
		steps++
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s%s", line, out)
	}
	require.Equal(t, 4, steps, "init, edit, tidy, build")

	// A port that is free, or was a moment ago.
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	at := u.LocalAddr().String()
	require.NoError(t, u.Close())
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	serve := exec.CommandContext(ctx, "./first", "serve", at)
	send := exec.CommandContext(ctx, "./first", at)
	serve.Dir, send.Dir = dir, dir
	require.NoError(t, serve.Start())
	out, err := send.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, send.Start())
	lines := bufio.NewScanner(out)
	want := "\n" + block(t, string(text)[strings.Index(string(text), "The loopback carries"):], "")
	last := ""
	for last != " 8972 bytes fit (probe-confirmed)" && lines.Scan() {
		last = lines.Text()
		assert.Contains(t, want, fmt.Sprintf("\n%s\n", last))
	}
	assert.Equal(t, " 8972 bytes fit (probe-confirmed)", last)
	cancel()
	_ = serve.Wait()
	_ = send.Wait()
}
