package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/quic-go/quic-go"

	quicgoexample "pathmtu/docs/examples/quicgo"
	"pathmtu/docs/examples/quiclike"
	"pathmtu/internal/netlab"
	"pathmtu/plpmtud/udpecho"
	"pathmtu/plpmtud/udppath"
	"pathmtu/plpmtud/udpsock"
)

const port = 7000

// prepare returns the stacks that are there, and what is missing.
func prepare(dir string) (stacks []stack, missing []string, err error) {
	cert, err := certificate(dir)
	if err != nil {
		return nil, nil, err
	}
	stacks = []stack{
		{"quiclike", sendQUIClike, nil},
		{"quic-go", quicgo{cert: cert, initial: 1200}.send, nil},
		{"quic-go, 1280", quicgo{cert: cert, initial: 1280}.send, path.narrow},
		{"quic-go, watched", quicgo{cert: cert, initial: 1200, watched: true}.send, path.shrinks},
	}
	server, err1 := exec.LookPath("gtlsserver")
	client, err2 := exec.LookPath("gtlsclient")
	if err := errors.Join(err1, err2); err != nil {
		return stacks, []string{"ngtcp2: " + err.Error()}, nil
	}
	for _, n := range []int{shortTransfer, longTransfer} {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(n)), make([]byte, n), 0o644); err != nil {
			return nil, nil, err
		}
	}
	return append(stacks, stack{"ngtcp2", ngtcp2{server, client, dir}.send, nil}), nil, nil
}

// certificate makes a certificate, also as files for programs.
func certificate(dir string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"peer"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	err = errors.Join(
		os.WriteFile(filepath.Join(dir, "cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644),
		os.WriteFile(filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// listen opens a UDP socket in a node.
func listen(lab *netlab.Lab, node string, port int, then func(*net.UDPConn) error) error {
	return lab.Node(node).Do(func() error {
		u, err := net.ListenUDP("udp", &net.UDPAddr{Port: port})
		if err != nil {
			return err
		}
		return then(u)
	})
}

func address(lab *netlab.Lab, node string, family int) netip.AddrPort {
	a, _ := lab.Addr(node, family)
	return netip.AddrPortFrom(a, port)
}

func zeros(n int) io.Reader { return io.LimitReader(zeroReader{}, int64(n)) }

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// counter counts what is written.
type counter int

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

// arrived says whether all came, after one of two ends has failed or both are
// done.
func arrived(got counter, want int, errs ...error) error {
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if int(got) != want {
		return fmt.Errorf("%d of %d bytes arrived", got, want)
	}
	return nil
}

func sendQUIClike(ctx context.Context, lab *netlab.Lab, family, bytes int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var cli *udppath.Conn
	var srv *net.UDPConn
	if err := listen(lab, "srv", port, func(u *net.UDPConn) error { srv = u; return nil }); err != nil {
		return err
	}
	defer srv.Close()
	if err := listen(lab, "cli", port, func(u *net.UDPConn) (err error) {
		cli, err = udppath.New(u, address(lab, "srv", family), udppath.Config{})
		return err
	}); err != nil {
		return err
	}
	defer cli.Close()
	var got counter
	received := make(chan error, 1)
	go func() { received <- quiclike.Receive(ctx, srv, &got) }()
	_, err := quiclike.Send(ctx, cli, zeros(bytes), quiclike.Config{IdleTimeout: idleTimeout, MaxWindow: inFlight})
	if err != nil {
		cancel()
	}
	return arrived(got, bytes, err, <-received)
}

// quicgo is quic-go, with an initial packet of so many bytes of UDP payload (its
// default is 1280), and perhaps with udpecho below it, as in the example.
type quicgo struct {
	cert    tls.Certificate
	initial uint16
	watched bool
}

// watchTimers are as short as udpecho allows, nearly.
var watchTimers = udpecho.Config{ProbeTimeout: time.Second, ConfirmInterval: 2 * time.Second}

func (q quicgo) send(ctx context.Context, lab *netlab.Lab, family, bytes int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cfg := &quic.Config{
		MaxIdleTimeout: idleTimeout, HandshakeIdleTimeout: idleTimeout / 2, InitialPacketSize: q.initial,
		InitialStreamReceiveWindow: inFlight, MaxStreamReceiveWindow: inFlight,
	}
	srv := &quic.Transport{}
	if err := listen(lab, "srv", port, func(u *net.UDPConn) (err error) {
		srv.Conn = u
		if q.watched {
			srv.Conn, err = quicgoexample.NewSocket(u, udpsock.Family(family), udpecho.Config{})
		}
		return err
	}); err != nil {
		return err
	}
	defer func() { _ = srv.Close(); _ = srv.Conn.Close() }()
	l, err := srv.Listen(&tls.Config{Certificates: []tls.Certificate{q.cert}, NextProtos: []string{"bulk"}}, cfg)
	if err != nil {
		return err
	}
	defer l.Close()
	var got counter
	received := make(chan error, 1)
	go func() { received <- quicReceive(ctx, l, &got) }()
	if err := q.upload(ctx, lab, family, cfg, bytes); err != nil {
		cancel()
		<-received
		return err
	}
	return arrived(got, bytes, <-received)
}

// upload is the sender's end.
func (q quicgo) upload(ctx context.Context, lab *netlab.Lab, family int, cfg *quic.Config, bytes int) error {
	to, trust := address(lab, "srv", family), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"bulk"}}
	if q.watched {
		c, err := quicgoexample.Dial(ctx, func(e udpecho.Config) (s *quicgoexample.Socket, err error) {
			err = listen(lab, "cli", 0, func(u *net.UDPConn) error {
				s, err = quicgoexample.NewSocket(u, udpsock.Family(family), e)
				return err
			})
			return s, err
		}, to, trust, cfg, watchTimers)
		if err != nil {
			return err
		}
		return quicSend(ctx, c.Conn, bytes)
	}
	t := &quic.Transport{}
	if err := listen(lab, "cli", 0, func(u *net.UDPConn) error { t.Conn = u; return nil }); err != nil {
		return err
	}
	defer func() { _ = t.Close(); _ = t.Conn.Close() }()
	c, err := t.Dial(ctx, net.UDPAddrFromAddrPort(to), trust, cfg)
	if err != nil {
		return err
	}
	return quicSend(ctx, c, bytes)
}

func quicReceive(ctx context.Context, l *quic.Listener, got io.Writer) error {
	c, err := l.Accept(ctx)
	if err != nil {
		return err
	}
	s, err := c.AcceptStream(ctx)
	if err != nil {
		return err
	}
	if _, err := io.Copy(got, s); err != nil {
		return err
	}
	return s.Close() // tells the sender that all has arrived
}

func quicSend(ctx context.Context, c *quic.Conn, bytes int) error {
	defer func() { _ = c.CloseWithError(0, "") }()
	s, err := c.OpenStreamSync(ctx)
	if err != nil {
		return err
	}
	if _, err := io.Copy(s, zeros(bytes)); err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, s)
	return err
}

// ngtcp2 is its example server, which sends a file to the example client.
type ngtcp2 struct{ server, client, dir string }

func (n ngtcp2) send(ctx context.Context, lab *netlab.Lab, family, bytes int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	from := address(lab, "cli", family)
	idle := fmt.Sprintf("--timeout=%s", idleTimeout)
	srv := netlab.Command(ctx, n.server, "--quiet", idle, "--htdocs="+n.dir, from.Addr().String(), fmt.Sprint(port),
		filepath.Join(n.dir, "key.pem"), filepath.Join(n.dir, "cert.pem"))
	if err := lab.Node("cli").Start(srv); err != nil {
		return err
	}
	defer func() { cancel(); _ = srv.Wait() }()
	down, err := os.MkdirTemp(n.dir, "down")
	if err != nil {
		return err
	}
	host := from.Addr().String()
	if family == 6 {
		host = "[" + host + "]"
	}
	cli := netlab.Command(ctx, n.client, "--quiet", idle, "--exit-on-all-streams-close", "--download="+down,
		fmt.Sprintf("--max-stream-data-bidi-local=%d", inFlight), fmt.Sprintf("--max-stream-window=%d", inFlight),
		from.Addr().String(), fmt.Sprint(port), fmt.Sprintf("https://%s:%d/%d", host, port, bytes))
	if err := lab.Node("srv").Start(cli); err != nil {
		return err
	}
	werr := cli.Wait()
	info, err := os.Stat(filepath.Join(down, fmt.Sprint(bytes)))
	if err != nil {
		return errors.Join(werr, err)
	}
	if info.Size() != int64(bytes) {
		return fmt.Errorf("%d of %d bytes arrived", info.Size(), bytes)
	}
	return nil
}
