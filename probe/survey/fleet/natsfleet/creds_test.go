package natsfleet

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab/labtest"
)

// keys makes a key pair and returns its public half too.
func keys(t *testing.T, create func() (nkeys.KeyPair, error)) (nkeys.KeyPair, string) {
	k, err := create()
	require.NoError(t, err)
	public, err := k.PublicKey()
	require.NoError(t, err)
	return k, public
}

// issuer is an operator's account that gives credentials to users.
type issuer struct {
	operator *jwt.OperatorClaims
	account  nkeys.KeyPair
	public   string
	token    string // the account's JWT
	// The account that such a server keeps for itself.
	systemPublic, systemToken string
}

func newIssuer(t *testing.T) *issuer {
	operator, operatorPublic := keys(t, nkeys.CreateOperator)
	i := &issuer{operator: jwt.NewOperatorClaims(operatorPublic)}
	i.account, i.public = keys(t, nkeys.CreateAccount)
	claims := jwt.NewAccountClaims(i.public)
	claims.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit, Streams: jwt.NoLimit, Consumer: jwt.NoLimit}
	var err error
	i.token, err = claims.Encode(operator)
	require.NoError(t, err)
	_, i.systemPublic = keys(t, nkeys.CreateAccount)
	i.systemToken, err = jwt.NewAccountClaims(i.systemPublic).Encode(operator)
	require.NoError(t, err)
	return i
}

// creds writes the credentials of a user.
func (i *issuer) creds(t *testing.T, change func(*jwt.UserClaims)) string {
	user, public := keys(t, nkeys.CreateUser)
	claims := jwt.NewUserClaims(public)
	if change != nil {
		change(claims)
	}
	token, err := claims.Encode(i.account)
	require.NoError(t, err)
	seed, err := user.Seed()
	require.NoError(t, err)
	text, err := jwt.FormatUserConfig(token, seed)
	require.NoError(t, err)
	name := filepath.Join(t.TempDir(), "user.creds")
	require.NoError(t, os.WriteFile(name, text, 0o600))
	return name
}

// A server that isn't ours, with TLS and accounts: who has credentials of the
// account works with it, others are told at once what is wrong.
func TestCredentialsOfAnotherServer(t *testing.T) {
	mine, stranger := newIssuer(t), newIssuer(t)
	cert, key := labtest.Certificate(t, "server", net.IPv4(127, 0, 0, 1))
	tlsConfig, err := server.GenTLSConfig(&server.TLSConfigOpts{CertFile: cert, KeyFile: key})
	require.NoError(t, err)
	accounts := &server.MemAccResolver{}
	require.NoError(t, accounts.Store(mine.public, mine.token))
	require.NoError(t, accounts.Store(mine.systemPublic, mine.systemToken))
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, JetStream: true, StoreDir: t.TempDir(),
		TLS: true, TLSConfig: tlsConfig, TLSTimeout: 5,
		TrustedOperators: []*jwt.OperatorClaims{mine.operator}, AccountResolver: accounts, SystemAccount: mine.systemPublic,
	})
	require.NoError(t, err)
	s.SetLoggerV2(logger{t.Logf}, false, false, false)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	require.True(t, s.ReadyForConnections(10*time.Second))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	good := Config{Servers: []string{s.ClientURL()}, Name: "w", CAFile: cert, CredsFile: mine.creds(t, nil), Log: t.Logf}
	b, err := Connect(ctx, good)
	require.NoError(t, err)
	require.NoError(t, b.Set(ctx, "x", []byte("y")))
	v, err := b.Get(ctx, "x")
	require.NoError(t, err)
	assert.Equal(t, "y", string(v.Data))
	b.Disconnect()

	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"none":         {func(c *Config) { c.CredsFile = "" }, "the server refuses who has neither a token nor credentials"},
		"a token":      {func(c *Config) { c.CredsFile, c.TokenFile = "", file(t, "0123456789abcdef") }, "the server refuses the token of "},
		"a stranger's": {func(c *Config) { c.CredsFile = stranger.creds(t, nil) }, "the server refuses the credentials of "},
		"expired": {func(c *Config) {
			c.CredsFile = mine.creds(t, func(u *jwt.UserClaims) { u.Expires = time.Now().Unix() - 60 })
		}, "the server refuses the credentials of "},
		"no JetStream":  {func(c *Config) { c.CredsFile = mine.creds(t, func(u *jwt.UserClaims) { u.Pub.Deny.Add("$JS.API.>") }) }, "doesn't let the credentials of "},
		"unknown CA":    {func(c *Config) { c.CAFile = "" }, "the server's certificate is signed by nobody whom this system trusts"},
		"the wrong key": {func(c *Config) { c.CertFile, c.KeyFile = cert, cert }, "certificate " + cert + ", key " + cert + ": "},
		"no CA":         {func(c *Config) { c.CAFile = c.CredsFile }, "no certificates in PEM"},
	} {
		t.Run(name, func(t *testing.T) {
			x := good
			c.change(&x)
			_, err := Connect(ctx, x)
			require.NoError(t, ctx.Err(), "it should fail at once")
			require.ErrorContains(t, err, c.want)
		})
	}
}

// A server without TLS isn't one for tls://.
func TestServerWithoutTLS(t *testing.T) {
	s, err := StartServer(ServerConfig{Store: t.TempDir(), Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	t.Cleanup(s.Shutdown)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	_, err = Connect(ctx, Config{Servers: []string{"tls" + s.URL()[len("nats"):]}})
	require.ErrorContains(t, err, "the server has no TLS, as tls:// demands")
}

// A server that isn't there yet is waited for.
func TestServerComesLater(t *testing.T) {
	first, err := StartServer(ServerConfig{Store: t.TempDir(), Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	url := first.URL()
	first.Shutdown()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	said := make(chan struct{}, 100)
	connected := make(chan error, 1)
	go func() {
		b, err := Connect(ctx, Config{Servers: []string{url}, Log: func(string, ...any) {
			select {
			case said <- struct{}{}:
			default:
			}
		}})
		if err == nil {
			b.Disconnect()
		}
		connected <- err
	}()
	<-said // it says that there is nobody
	s, err := StartServer(ServerConfig{Store: t.TempDir(), Listen: url[len("nats://"):]})
	require.NoError(t, err)
	t.Cleanup(s.Shutdown)
	require.NoError(t, <-connected)
}

// A client that was let in, and then is refused, tries ever more seldom, and says
// so once.
func TestRefusedLater(t *testing.T) {
	dir := t.TempDir()
	old, fresh := file(t, "0123456789abcdef"), file(t, "fedcba9876543210")
	first, err := StartServer(ServerConfig{Store: dir, Listen: "127.0.0.1:0", TokenFile: old})
	require.NoError(t, err)
	address := first.URL()[len("nats://"):]
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var mu sync.Mutex
	said := map[string]int{}
	b, err := Connect(ctx, Config{Servers: []string{first.URL()}, TokenFile: old, Log: func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		said[fmt.Sprintf(format, args...)]++
	}})
	require.NoError(t, err)
	defer b.Disconnect()
	first.Shutdown()
	second, err := StartServer(ServerConfig{Store: dir, Listen: address, TokenFile: fresh})
	require.NoError(t, err)
	defer second.Shutdown()
	refused := func() int {
		mu.Lock()
		defer mu.Unlock()
		return said["nats: "+nats.ErrAuthorization.Error()]
	}
	require.Eventually(t, func() bool { return refused() > 0 }, 20*time.Second, 10*time.Millisecond, "%v", said)
	time.Sleep(3 * time.Second) // some attempts more
	assert.Equal(t, 1, refused())
}

func TestReconnectDelay(t *testing.T) {
	for _, c := range []struct {
		refused int64
		random  float64
		want    time.Duration
	}{
		{0, 0, 250 * time.Millisecond},
		{0, 1, 500 * time.Millisecond},
		{1, 0, 500 * time.Millisecond},
		{3, 0.5, 3 * time.Second},
		{7, 0, 15 * time.Second},
		{1 << 40, 1, 30 * time.Second},
	} {
		assert.Equal(t, c.want, reconnectDelay(c.refused, c.random), "%+v", c)
	}
}
