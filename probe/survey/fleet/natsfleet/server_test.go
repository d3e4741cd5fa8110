package natsfleet

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// certificate writes a certificate that signs itself, for this machine, and its key.
func certificate(t *testing.T, name string) (cert, key string) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
	require.NoError(t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	require.NoError(t, err)
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), 0o600))
	return cert, key
}

func file(t *testing.T, text string) string {
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

// Who has neither the right certificate nor the token doesn't come in.
func TestTLSAndToken(t *testing.T) {
	cert, key := certificate(t, "server")
	mine, mineKey := certificate(t, "worker")
	other, otherKey := certificate(t, "stranger")
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
	for name, change := range map[string]func(*Config){
		"no token":                func(c *Config) { c.TokenFile = "" },
		"wrong token":             func(c *Config) { c.TokenFile = file(t, "fedcba9876543210") },
		"server not known":        func(c *Config) { c.CAFile = other },
		"no certificate":          func(c *Config) { c.CertFile, c.KeyFile = "", "" },
		"a stranger's":            func(c *Config) { c.CertFile, c.KeyFile = other, otherKey },
		"a certificate, no key":   func(c *Config) { c.KeyFile = "" },
		"credentials of nowhere":  func(c *Config) { c.TokenFile, c.CredsFile = "", "/nonexistent" },
		"a token that is too few": func(c *Config) { c.TokenFile = file(t, "x") },
	} {
		c := good
		change(&c)
		ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
		_, err := Connect(ctx, c)
		cancel()
		assert.Error(t, err, name)
	}
}

// A server that others could reach, and use, doesn't start by accident.
func TestServerRefusesToBeOpen(t *testing.T) {
	cert, key := certificate(t, "server")
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
