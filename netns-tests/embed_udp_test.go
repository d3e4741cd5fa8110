//go:build linux

package netnstests

import (
	"context"
	"net"
	"net/netip"
	"time"

	plainudp "pathmtu/docs/examples/plain"
	"pathmtu/docs/examples/quiclike"
	"pathmtu/docs/examples/stopwait"
	"pathmtu/plpmtud"
	"pathmtu/plpmtud/udpecho"
	"pathmtu/plpmtud/udppath"
)

// embedFast are short timers, so that a path that changes is noticed while a
// test runs.
var embedFast = udpecho.Config{ProbeTimeout: time.Second, ConfirmInterval: 2 * time.Second, RaiseInterval: 5 * time.Second}

func startPlain(x *transfer) {
	var cli, srv *plainudp.Conn
	x.socket("srv", func(u *net.UDPConn) (err error) {
		srv, err = plainudp.New(u, netip.AddrPort{}, udpecho.Config{})
		return err
	})
	cfg := embedFast
	cfg.OnChange = func(c udpecho.Change) { x.plpmtu(c.New) }
	x.socket("cli", func(u *net.UDPConn) (err error) {
		cli, err = plainudp.New(u, x.addr(), cfg)
		return err
	})
	x.t.Cleanup(func() { cli.Close(); srv.Close() })
	x.both(
		func(ctx context.Context) error { return stopwait.Receive(ctx, srv, x.dst) },
		func(ctx context.Context) error { return stopwait.Send(ctx, cli, x.src) },
	)
}

func startQUIClike(x *transfer) {
	var cli *udppath.Conn
	var srv *net.UDPConn
	x.socket("srv", func(u *net.UDPConn) error { srv = u; return nil })
	x.socket("cli", func(u *net.UDPConn) (err error) {
		cli, err = udppath.New(u, x.addr(), udppath.Config{})
		return err
	})
	x.t.Cleanup(func() { cli.Close() })
	x.both(
		func(ctx context.Context) error { return quiclike.Receive(ctx, srv, x.dst) },
		func(ctx context.Context) error {
			s, err := quiclike.Send(ctx, cli, x.src, quiclike.Config{Path: plpmtud.Config{
				RaiseInterval: 5 * time.Second,
				Trace: func(e plpmtud.Event) {
					if e.Kind == plpmtud.SizeChange {
						x.plpmtu(e.New)
					}
				},
			}})
			x.t.Logf("%+v", s)
			return err
		},
	)
}
