//go:build linux

package netnstests

import (
	"context"
	"net"
	"time"

	pion "github.com/pion/dtls/v3"
	"github.com/stretchr/testify/require"

	"pathmtu/docs/examples/dtls"
	"pathmtu/docs/examples/stopwait"
	"pathmtu/plpmtud"
	"pathmtu/plpmtud/udppath"
)

func dtlsPSK([]byte) ([]byte, error) { return []byte("a key that both ends know"), nil }

func startDTLS(x *transfer) {
	var listener net.Listener
	require.NoError(x.t, x.lab.Node("srv").Do(func() (err error) {
		listener, err = pion.ListenWithOptions("udp", net.UDPAddrFromAddrPort(x.addr()),
			pion.WithPSK(dtlsPSK), pion.WithPSKIdentityHint([]byte("srv")), pion.WithCipherSuites(dtls.Suite))
		return err
	}))
	var sock *udppath.Conn
	x.socket("cli", func(u *net.UDPConn) (err error) {
		sock, err = udppath.New(u, x.addr(), udppath.Config{})
		return err
	})
	x.t.Cleanup(func() { sock.Close(); listener.Close() })
	cfg := plpmtud.Config{
		ProbeTimeout: time.Second, ConfirmInterval: 2 * time.Second, RaiseInterval: 5 * time.Second,
		Trace: func(e plpmtud.Event) {
			if e.Kind == plpmtud.SizeChange {
				x.plpmtu(e.New)
			}
		},
	}
	x.both(
		func(ctx context.Context) error {
			c, err := listener.Accept()
			if err != nil {
				return err
			}
			srv := dtls.Answer(c.(*pion.Conn))
			defer srv.Close()
			return stopwait.Receive(ctx, srv, x.dst)
		},
		func(ctx context.Context) error {
			cli, err := dtls.Client(sock, cfg,
				pion.WithPSK(dtlsPSK), pion.WithPSKIdentityHint([]byte("cli")), pion.WithCipherSuites(dtls.Suite))
			if err != nil {
				return err
			}
			defer cli.Close()
			return stopwait.Send(ctx, cli, x.src)
		},
	)
}
