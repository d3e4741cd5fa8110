//go:build linux

package netnstests

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"pathmtu/docs/examples/quicgo"
	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/wiretap"
	"pathmtu/plpmtud/udpecho"
	"pathmtu/plpmtud/udpsock"
)

// quicTLS returns the configurations of a server and of a client that trusts
// anybody.
func quicTLS(t *testing.T) (srv, cli *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}, NextProtos: []string{"stream"}},
		&tls.Config{InsecureSkipVerify: true, NextProtos: []string{"stream"}}
}

// quic-go below which udpecho probes survives a path that shrinks, and uses one
// that grows, by migrating.
func TestQUICGoOnPathThatChanges(t *testing.T) {
	for _, f := range []udpsock.Family{udpsock.IPv4, udpsock.IPv6} {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			x := &transfer{t: t, family: f, lab: build(t, netlab.Path(1500, 1500, netlab.PTB{Mode: netlab.PTBFiltered}))}
			x.ctx, x.cancel = context.WithTimeout(context.Background(), 3*embedSoon)
			defer x.cancel()
			srvTLS, cliTLS := quicTLS(t)
			var srv *quicgo.Socket
			x.socket("srv", func(u *net.UDPConn) (err error) {
				srv, err = quicgo.NewSocket(u, f, udpecho.Config{})
				return err
			})
			server := &quic.Transport{Conn: srv}
			listener, err := server.Listen(srvTLS, nil)
			require.NoError(t, err)
			t.Cleanup(func() { listener.Close(); server.Close(); srv.Close() })
			open := func(cfg udpecho.Config) (s *quicgo.Socket, err error) {
				err = x.lab.Node("cli").Do(func() error {
					u, err := net.ListenUDP("udp", nil)
					if err != nil {
						return err
					}
					s, err = quicgo.NewSocket(u, f, cfg)
					return err
				})
				return s, err
			}
			cli, err := quicgo.Dial(x.ctx, open, x.addr(), cliTLS, &quic.Config{InitialPacketSize: 1200, MaxIdleTimeout: 20 * time.Second}, embedFast)
			require.NoError(t, err)
			t.Cleanup(func() { _ = cli.CloseWithError(0, "") })

			streaming, end := context.WithCancel(x.ctx)
			defer end()
			src, dst := newEndless(streaming), newSink()
			x.both(
				func(ctx context.Context) error {
					c, err := listener.Accept(ctx)
					if err != nil {
						return err
					}
					s, err := c.AcceptUniStream(ctx)
					if err != nil {
						return err
					}
					_, err = io.Copy(dst, s)
					return err
				},
				func(ctx context.Context) error {
					s, err := cli.OpenUniStreamSync(ctx)
					if err != nil {
						return err
					}
					if _, err := io.Copy(s, src); err != nil {
						return err
					}
					return s.Close()
				},
			)
			x.goesOn(dst)
			full := quicgoFull(f)
			sent := watchSizes(t, x.lab, "cli", "r1")
			x.eventually("quic-go's own search", func() bool { return sent.usual() >= full })
			x.eventually("udpecho's search", cli.Settled)
			moves := cli.Moves()
			x.bottleneck(1280)
			x.eventually("migration", func() bool { return cli.Moves() > moves })
			x.goesOn(dst)
			x.goesOn(dst)
			x.eventually("udpecho's search on the smaller path", cli.Settled)
			moves = cli.Moves()
			x.bottleneck(1500)
			x.eventually("migration because the path grew", func() bool { return cli.Moves() > moves })
			x.eventually("quic-go's search on the new path", func() bool { return sent.usual() >= full })
			x.goesOn(dst)
			end()
			x.group.Wait()
			require.NoError(t, x.ctx.Err())
			assert.True(t, bytes.Equal(src.sum.Sum(nil), dst.sum.Sum(nil)), "the stream arrived as it was sent")
			t.Logf("%d migrations", cli.Moves())
		})
	}
}

// quicgoFull is where quic-go's search comes to on a path of 1500 bytes, at
// least: it stops 20 bytes below 1452 of UDP payload.
func quicgoFull(f udpsock.Family) int { return 1452 - 21 + f.Overhead() }

// sizes remembers how large the packets are that a node sent last.
type sizes struct {
	mu   sync.Mutex
	last [200]int
	n    int
}

// watchSizes observes the UDP packets that a node sends to a neighbour.
func watchSizes(t *testing.T, lab *netlab.Lab, node, neighbour string) *sizes {
	t.Helper()
	s := &sizes{}
	tap, err := wiretap.Open(lab.Node(node).Namespace, "to-"+neighbour, func(p wiretap.Packet) {
		if p.Out && p.Proto == unix.IPPROTO_UDP {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.last[s.n%len(s.last)] = p.Size
			s.n++
		}
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, tap.Close()) })
	return s
}

// usual returns the size that most of the packets sent last have, in bytes.
func (s *sizes) usual() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	count, usual := map[int]int{}, 0
	for _, n := range s.last {
		count[n]++
		if count[n] > count[usual] {
			usual = n
		}
	}
	return usual
}

// eventually waits until something holds.
func (x *transfer) eventually(what string, holds func() bool) {
	x.t.Helper()
	for end := time.Now().Add(embedSoon); !holds(); time.Sleep(2 * time.Millisecond) {
		require.NoError(x.t, x.ctx.Err(), what)
		require.True(x.t, time.Now().Before(end), what)
		require.False(x.t, x.t.Failed(), what)
	}
}
