package natsfleet

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab/labtest"
)

func file(t *testing.T, text string) string {
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

// Who has neither the right certificate nor the token doesn't come in.
func TestTLSAndToken(t *testing.T) {
	cert, key := labtest.Certificate(t, "server", net.IPv4(127, 0, 0, 1))
	mine, mineKey := labtest.Certificate(t, "worker")
	other, otherKey := labtest.Certificate(t, "stranger")
	token := file(t, "0123456789abcdef")
	s, err := StartServer(ServerConfig{
		Store: t.TempDir(), Listen: "127.0.0.1:0", TokenFile: token, CertFile: cert, KeyFile: key, ClientCAFile: mine,
	})
	require.NoError(t, err)
	t.Cleanup(s.Shutdown)
	good := Config{Servers: []string{s.URL()}, Name: "w", TokenFile: token, CAFile: cert, CertFile: mine, KeyFile: mineKey}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	b, err := Connect(ctx, good)
	require.NoError(t, err)
	require.NoError(t, b.Set(ctx, "x", []byte("y")))
	b.Disconnect()
	none := filepath.Join(t.TempDir(), "none")
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
		access bool
	}{
		"no token":                {func(c *Config) { c.TokenFile = "" }, "the server refuses who has neither a token nor credentials: nats: Authorization Violation", true},
		"wrong token":             {func(c *Config) { c.TokenFile = file(t, "fedcba9876543210") }, "the server refuses the token of ", true},
		"server not known":        {func(c *Config) { c.CAFile = other }, "the server's certificate isn't signed by " + other, true},
		"no certificate":          {func(c *Config) { c.CertFile, c.KeyFile = "", "" }, "the server refuses who has no certificate", true},
		"a stranger's":            {func(c *Config) { c.CertFile, c.KeyFile = other, otherKey }, "the server refuses the certificate " + other, true},
		"another host":            {func(c *Config) { c.Servers = []string{strings.Replace(s.URL(), "127.0.0.1", "localhost", 1)} }, "the server's certificate is for another host", true},
		"a certificate, no key":   {func(c *Config) { c.KeyFile = "" }, "a certificate needs its key", false},
		"credentials of nowhere":  {func(c *Config) { c.CredsFile = none }, none + ": no such file", false},
		"credentials of nobody":   {func(c *Config) { c.CredsFile = token }, token + ": no credentials", false},
		"a token that is too few": {func(c *Config) { c.TokenFile = file(t, "x") }, "token of 1 characters, want at least 16", false},
	} {
		t.Run(name, func(t *testing.T) {
			x := good
			c.change(&x)
			x.Log = t.Logf
			_, err := Connect(ctx, x) // at once, though ctx has time
			require.NoError(t, ctx.Err())
			require.ErrorContains(t, err, c.want)
			var refused *AccessError
			assert.Equal(t, c.access, errors.As(err, &refused))
			if c.access {
				assert.ErrorContains(t, err, x.Servers[0], "it says where")
			}
		})
	}
}

// A server that others could reach, and use, doesn't start by accident.
func TestServerRefusesToBeOpen(t *testing.T) {
	cert, key := labtest.Certificate(t, "server", net.IPv4(127, 0, 0, 1))
	token := file(t, "0123456789abcdef")
	for name, c := range map[string]ServerConfig{
		"nothing":       {Listen: "0.0.0.0:0"},
		"no TLS":        {Listen: "192.0.2.1:4222", TokenFile: token},
		"no token":      {Listen: "[::]:4222", CertFile: cert, KeyFile: key},
		"no host":       {Listen: ":4222"},
		"no port":       {Listen: "127.0.0.1"},
		"open cluster":  {Cluster: "x", ClusterListen: "0.0.0.0:6222"},
		"bad route":     {Cluster: "x", ClusterListen: "127.0.0.1:6222", Routes: []string{"host"}},
		"key alone":     {Listen: "127.0.0.1:0", KeyFile: key},
		"token missing": {Listen: "127.0.0.1:0", TokenFile: "/nonexistent"},
	} {
		_, err := c.options()
		assert.Error(t, err, name)
	}
	for name, c := range map[string]ServerConfig{
		"loopback":    {Listen: "127.0.0.1:0"},
		"both":        {Listen: "0.0.0.0:4222", TokenFile: token, CertFile: cert, KeyFile: key},
		"it is meant": {Listen: "0.0.0.0:4222", Insecure: true},
		"no listener": {},
	} {
		_, err := c.options()
		assert.NoError(t, err, name)
	}
}

// A stream of results that is full refuses blocks, and takes them again when
// there is room: nothing is dropped.
func TestFullSinkPushesBack(t *testing.T) {
	s, err := StartServer(ServerConfig{Store: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(s.Shutdown)
	b, err := s.Connect(t.Context(), Config{MostResults: 64 << 10})
	require.NoError(t, err)
	t.Cleanup(b.Disconnect)
	block := make([]byte, 20<<10)
	kept := 0
	for ; kept < 10; kept++ {
		id := string(rune('a' + kept))
		if err := b.Publish(t.Context(), "s", "a", id, block); err != nil {
			break
		}
		require.NoError(t, b.Publish(t.Context(), "s", "a", id, block), "again: kept once")
	}
	require.Equal(t, 3, kept)
	got, err := b.Receive(t.Context(), "s", 10, time.Second)
	require.NoError(t, err)
	require.Len(t, got, kept)
	for _, d := range got {
		require.NoError(t, d.Ack(t.Context()))
	}
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		require.NoError(c, b.Publish(t.Context(), "s", "a", "z", block))
	}, 10*time.Second, 20*time.Millisecond)
}
