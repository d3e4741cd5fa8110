package natsfleet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// ServerConfig says how the server within this process runs.
type ServerConfig struct {
	Store string // directory
	// Listen is the address for workers, as host:port; port 0: any. "": none, only
	// this process.
	Listen string
	// TokenFile holds what clients must know. CertFile and KeyFile are for TLS;
	// ClientCAFile demands certificates of clients that it signed.
	TokenFile, CertFile, KeyFile, ClientCAFile string
	// Insecure allows other addresses than those of this machine, without TLS or
	// without anything that clients must know.
	Insecure bool

	// A cluster: its name, this server's, the address for the others, and theirs.
	Cluster, Name, ClusterListen string
	Routes                       []string
	// Log tells of the server's errors and warnings. It may be nil.
	Log func(format string, args ...any)
}

// Server is a NATS server within this process.
type Server struct{ s *server.Server }

// StartServer starts a server and waits until it listens. It doesn't wait for
// the rest of a cluster.
func StartServer(c ServerConfig) (*Server, error) {
	o, err := c.options()
	if err != nil {
		return nil, err
	}
	s, err := server.NewServer(o)
	if err != nil {
		return nil, fmt.Errorf("nats server: %w", err)
	}
	if c.Log != nil {
		s.SetLoggerV2(logger{c.Log}, false, false, false)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		s.Shutdown()
		return nil, errors.New("nats server: not ready after 10 s")
	}
	return &Server{s}, nil
}

func (c *ServerConfig) options() (*server.Options, error) {
	o := &server.Options{
		ServerName: c.Name, JetStream: true, StoreDir: c.Store, NoSigs: true, NoLog: c.Log == nil,
		// A result that was confirmed is there after a loss of power too.
		SyncAlways: true,
		MaxPayload: 8 << 20, DontListen: c.Listen == "",
		PingInterval: 5 * time.Second, MaxPingsOut: 2,
	}
	if c.Listen != "" {
		var err error
		if o.Host, o.Port, err = hostPort("listen", c.Listen); err != nil {
			return nil, err
		}
		if o.Port == 0 {
			o.Port = server.RANDOM_PORT
		}
	}
	if err := c.secure(o); err != nil {
		return nil, err
	}
	if c.Cluster == "" {
		return o, nil
	}
	o.Cluster.Name = c.Cluster
	var err error
	if o.Cluster.Host, o.Cluster.Port, err = hostPort("cluster-listen", c.ClusterListen); err != nil {
		return nil, err
	}
	if !c.Insecure && !local(o.Cluster.Host) {
		return nil, fmt.Errorf("nats server: cluster-listen %q: other addresses than those of this machine need leave to be insecure: put the cluster on a network of its own", c.ClusterListen)
	}
	for _, r := range c.Routes {
		u, err := url.Parse("nats://" + r)
		if err != nil || u.Port() == "" {
			return nil, fmt.Errorf("nats server: route %q: want host:port", r)
		}
		o.Routes = append(o.Routes, u)
	}
	return o, nil
}

func (c *ServerConfig) secure(o *server.Options) error {
	if c.TokenFile != "" {
		var err error
		if o.Authorization, err = readToken(c.TokenFile); err != nil {
			return err
		}
	}
	if c.CertFile != "" {
		t, err := server.GenTLSConfig(&server.TLSConfigOpts{
			CertFile: c.CertFile, KeyFile: c.KeyFile, CaFile: c.ClientCAFile, Verify: c.ClientCAFile != "",
		})
		if err != nil {
			return fmt.Errorf("nats server: %w", err)
		}
		t.MinVersion = tls.VersionTLS13
		o.TLSConfig, o.TLS, o.TLSVerify, o.TLSTimeout = t, true, c.ClientCAFile != "", 5
	} else if c.ClientCAFile != "" || c.KeyFile != "" {
		return errors.New("nats server: TLS needs a certificate and its key")
	}
	known := c.TokenFile != "" || c.ClientCAFile != ""
	if c.Listen != "" && !c.Insecure && !local(o.Host) && (!o.TLS || !known) {
		return fmt.Errorf("nats server: listen %q: other addresses than those of this machine need TLS, and a token or certificates of clients", c.Listen)
	}
	return nil
}

// local says whether only this machine reaches a host.
func local(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

func hostPort(field, s string) (string, int, error) {
	host, port, err := net.SplitHostPort(s)
	n, err2 := strconv.ParseUint(port, 10, 16)
	if err != nil || err2 != nil {
		return "", 0, fmt.Errorf("nats server: %s %q: want host:port", field, s)
	}
	return host, int(n), nil
}

// readToken reads a file with nothing but a token.
func readToken(name string) (string, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(b))
	if len(token) < 16 {
		return "", fmt.Errorf("%s: token of %d characters, want at least 16", name, len(token))
	}
	return token, nil
}

// URL is where clients find the server.
func (s *Server) URL() string { return s.s.ClientURL() }

// Connect connects within the process, whatever the server listens at.
func (s *Server) Connect(ctx context.Context, c Config) (*Backend, error) {
	c.inside = s.s
	return Connect(ctx, c)
}

// Shutdown ends the server, and waits for it.
func (s *Server) Shutdown() {
	s.s.Shutdown()
	s.s.WaitForShutdown()
}

// logger hands on what people should know.
type logger struct {
	log func(format string, args ...any)
}

func (l logger) Noticef(string, ...any)         {}
func (l logger) Debugf(string, ...any)          {}
func (l logger) Tracef(string, ...any)          {}
func (l logger) Warnf(format string, v ...any)  { l.log("nats server: "+format, v...) }
func (l logger) Errorf(format string, v ...any) { l.log("nats server: "+format, v...) }
func (l logger) Fatalf(format string, v ...any) { l.log("nats server: "+format, v...) }
