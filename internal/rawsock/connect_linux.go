package rawsock

import (
	"context"
	"net/netip"
	"time"

	"github.com/mdlayher/socket"
	"golang.org/x/sys/unix"
)

// ConnectTCP opens a flow of TCP segments within a connection to dst that the
// kernel makes and keeps: it answers what the other end sends, and resets the
// connection when the flow is closed, or the process ends however it does. So
// nothing remains at the other end but by the loss of that reset. The flow only
// sends more segments on it. It needs a hub; without one ConnectTCP returns a
// *PrivilegeError. When ctx ends, it returns its error.
func ConnectTCP(ctx context.Context, hub *Hub, src netip.Addr, dst netip.AddrPort) (*Flow, Handshake, error) {
	f, err := OpenTCP(hub, src, dst)
	if err != nil {
		return nil, Handshake{}, err
	}
	shake, err := f.connect(ctx, dst)
	if err != nil {
		_ = f.Close()
		return nil, Handshake{}, err
	}
	return f, shake, nil
}

func (f *Flow) connect(ctx context.Context, dst netip.AddrPort) (Handshake, error) {
	if err := resets(f.hold); err != nil {
		return Handshake{}, err
	}
	to, err := sockaddr(dst.Addr(), dst.Port())
	if err != nil {
		return Handshake{}, err
	}
	start := time.Now()
	if _, err := f.hold.Connect(ctx, to); err != nil {
		return Handshake{}, err
	}
	age := time.Since(start)
	for {
		m, err := f.Receive(ctx)
		if err != nil {
			return Handshake{}, err
		}
		if m.Error == nil && isSynAck(m.Data) {
			return Handshake{SynAck: m.Data, Age: age}, nil
		}
	}
}

func isSynAck(segment []byte) bool {
	const flags, synAck = 13, 0x12
	return len(segment) >= tcpHeaderLen && segment[flags]&0x17 == synAck
}

// resets makes closing the socket reset its connection, at once.
func resets(c *socket.Conn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	})
	if err != nil {
		return err
	}
	return failed
}
