// Program transfer sends a file by one of the examples, to try it by hand, on
// two machines, or in two namespaces of a lab:
//
//	transfer -by quiclike -listen :7000 > copy
//	transfer -by quiclike -to 192.0.2.1:7000 < file
//
// It says on standard error how the size in use changes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"time"

	pion "github.com/pion/dtls/v3"

	"pathmtu/docs/examples/dtls"
	"pathmtu/docs/examples/plain"
	"pathmtu/docs/examples/quiclike"
	"pathmtu/docs/examples/stopwait"
	"pathmtu/plpmtud"
	"pathmtu/plpmtud/udpecho"
	"pathmtu/plpmtud/udppath"
)

func main() {
	by := flag.String("by", "plain", "the example: plain, dtls or quiclike")
	at := flag.String("listen", "", "receive at this address and port")
	to := flag.String("to", "", "send to this address and port")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *by, *at, *to); err != nil {
		fmt.Fprintln(os.Stderr, "transfer:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, by, at, to string) error {
	ends, ok := map[string]struct {
		receive func(context.Context, *net.UDPConn) error
		send    func(context.Context, *net.UDPConn, netip.AddrPort) error
	}{
		"plain":    {receivePlain, sendPlain},
		"dtls":     {receiveDTLS, sendDTLS},
		"quiclike": {receiveQUIClike, sendQUIClike},
	}[by]
	switch {
	case !ok:
		return fmt.Errorf("-by %q: want plain, dtls or quiclike", by)
	case (at == "") == (to == ""):
		return errors.New("want one of -listen and -to")
	case at != "":
		local, err := net.ResolveUDPAddr("udp", at)
		if err != nil {
			return fmt.Errorf("-listen %q: %w", at, err)
		}
		u, err := net.ListenUDP("udp", local)
		if err != nil {
			return err
		}
		defer u.Close()
		return ends.receive(ctx, u)
	}
	peer, err := netip.ParseAddrPort(to)
	if err != nil {
		return fmt.Errorf("-to %q: %w", to, err)
	}
	u, err := net.ListenUDP("udp", nil)
	if err != nil {
		return err
	}
	defer u.Close()
	return ends.send(ctx, u, peer)
}

func say(size int, why any) {
	fmt.Fprintf(os.Stderr, "%s  %d bytes of UDP payload (%v)\n", time.Now().Format("15:04:05.000"), size, why)
}

// told says what a Path does.
func told(e plpmtud.Event) {
	if e.Kind == plpmtud.SizeChange {
		say(e.New, e.Cause)
	}
}

func receivePlain(ctx context.Context, u *net.UDPConn) error {
	c, err := plain.New(u, netip.AddrPort{}, udpecho.Config{})
	if err != nil {
		return err
	}
	defer c.Close()
	return stopwait.Receive(ctx, c, os.Stdout)
}

func sendPlain(ctx context.Context, u *net.UDPConn, to netip.AddrPort) error {
	c, err := plain.New(u, to, udpecho.Config{OnChange: func(c udpecho.Change) { say(c.New, c.Cause) }})
	if err != nil {
		return err
	}
	defer c.Close()
	return stopwait.Send(ctx, c, os.Stdin)
}

// The key and the suite of DTLS: everybody can read it here.
var dtlsOptions = []pion.Option{
	pion.WithPSK(func([]byte) ([]byte, error) { return []byte("no secret at all"), nil }),
	pion.WithPSKIdentityHint([]byte("transfer")),
	pion.WithCipherSuites(dtls.Suite),
}

func receiveDTLS(ctx context.Context, u *net.UDPConn) error {
	at := u.LocalAddr().(*net.UDPAddr)
	_ = u.Close() // the listener makes a socket of its own
	var opts []pion.ServerOption
	for _, o := range dtlsOptions {
		opts = append(opts, o)
	}
	l, err := pion.ListenWithOptions("udp", at, opts...)
	if err != nil {
		return err
	}
	defer l.Close()
	c, err := l.Accept()
	if err != nil {
		return err
	}
	d := dtls.Answer(c.(*pion.Conn))
	defer d.Close()
	return stopwait.Receive(ctx, d, os.Stdout)
}

func sendDTLS(ctx context.Context, u *net.UDPConn, to netip.AddrPort) error {
	sock, err := udppath.New(u, to, udppath.Config{})
	if err != nil {
		return err
	}
	defer sock.Close()
	var opts []pion.ClientOption
	for _, o := range dtlsOptions {
		opts = append(opts, o)
	}
	c, err := dtls.Client(sock, plpmtud.Config{ProbeTimeout: time.Second, Trace: told}, opts...)
	if err != nil {
		return err
	}
	defer c.Close()
	return stopwait.Send(ctx, c, os.Stdin)
}

func receiveQUIClike(ctx context.Context, u *net.UDPConn) error {
	return quiclike.Receive(ctx, u, os.Stdout)
}

func sendQUIClike(ctx context.Context, u *net.UDPConn, to netip.AddrPort) error {
	sock, err := udppath.New(u, to, udppath.Config{})
	if err != nil {
		return err
	}
	defer sock.Close()
	s, err := quiclike.Send(ctx, sock, os.Stdin, quiclike.Config{Path: plpmtud.Config{Trace: told}})
	fmt.Fprintf(os.Stderr, "%+v\n", s)
	return err
}
