package rawsock

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/mdlayher/socket"
	"golang.org/x/sys/unix"
)

// maxPacket is the size of the largest IP packet, in bytes.
const maxPacket = 65536

// Flow is one 5-tuple. Send and Receive may be called concurrently with each
// other, but each by one goroutine only.
type Flow struct {
	conn  *socket.Conn // of its own, or nil: it uses the hub's
	hub   *Hub
	inbox chan Message // from the hub
	dst   netip.Addr
	proto uint8
	local netip.AddrPort // the port is the ICMP identifier
	port  uint16
	hold  *socket.Conn // keeps the local port from others; nil: conn does
	buf   []byte
	oob   []byte
}

// OpenUDP opens a flow of UDP datagrams to dst. Hub may be nil.
func OpenUDP(hub *Hub, src netip.Addr, dst netip.AddrPort) (*Flow, error) {
	c, local, err := open(unix.SOCK_DGRAM, unix.IPPROTO_UDP, src, dst)
	if err != nil {
		return nil, err
	}
	f := newFlow(c, dst.Addr(), protoUDP, local)
	f.port = dst.Port()
	f.join(hub)
	return f, nil
}

// OpenICMP opens a flow of echo requests to dst: through the hub if there is
// one, else by a ping socket. It returns a *PrivilegeError if neither may be.
func OpenICMP(hub *Hub, src, dst netip.Addr, id uint16) (*Flow, error) {
	proto, name := protoICMP, "net.ipv4.ping_group_range"
	if !dst.Is4() {
		proto = protoICMPv6
	}
	if hub != nil && hub.serves(dst) {
		f := newFlow(nil, dst, uint8(proto), netip.AddrPortFrom(src, id))
		f.join(hub)
		return f, nil
	}
	c, local, err := open(unix.SOCK_DGRAM, proto, src, netip.AddrPortFrom(dst, 0))
	if denied(err) {
		return nil, &PrivilegeError{
			What: "ping socket", Err: err,
			Need: "a group in " + name + ", or CAP_NET_RAW for a raw socket",
		}
	}
	if err != nil {
		return nil, err
	}
	return newFlow(c, dst, uint8(proto), local), nil
}

func newFlow(c *socket.Conn, dst netip.Addr, proto uint8, local netip.AddrPort) *Flow {
	return &Flow{conn: c, dst: dst, proto: proto, local: local, buf: make([]byte, maxPacket), oob: make([]byte, 512)}
}

// join makes the hub hand on what it hears about the flow.
func (f *Flow) join(hub *Hub) {
	if hub == nil || !hub.serves(f.dst) {
		return
	}
	f.hub = hub
	f.inbox = make(chan Message, 64)
	hub.add(f)
}

// open opens a socket of its own, bound and connected.
func open(typ, proto int, src netip.Addr, dst netip.AddrPort) (*socket.Conn, netip.AddrPort, error) {
	fail := func(c *socket.Conn, err error) (*socket.Conn, netip.AddrPort, error) {
		if c != nil {
			_ = c.Close()
		}
		return nil, netip.AddrPort{}, err
	}
	c, err := socket.Socket(domain(dst.Addr()), typ, proto, "probe", nil)
	if err != nil {
		return fail(nil, err)
	}
	v6 := !dst.Addr().Is4()
	if err := setOptions(c, append(probing(v6), errorQueue(v6))); err != nil {
		return fail(c, err)
	}
	buffers(c)
	if src.IsValid() {
		sa, err := sockaddr(src, 0)
		if err == nil {
			err = c.Bind(sa)
		}
		if err != nil {
			return fail(c, fmt.Errorf("source address %v: %w", src, err))
		}
	}
	to, err := sockaddr(dst.Addr(), dst.Port())
	if err != nil {
		return fail(c, err)
	}
	if _, err := c.Connect(context.Background(), to); err != nil {
		return fail(c, err)
	}
	name, err := c.Getsockname()
	if err != nil {
		return fail(c, err)
	}
	return c, addrPort(name), nil
}

// Local returns the flow's own address; the port is the UDP port or the ICMP
// identifier.
func (f *Flow) Local() netip.AddrPort { return f.local }

// Send sends one packet: a UDP payload, or an ICMP message. It never
// fragments. A failure is a *SendError.
func (f *Flow) Send(b []byte) error {
	if f.conn == nil {
		return f.hub.send(f, b)
	}
	// An ICMP error of earlier makes the next call fail; what it said is in the
	// error queue. So that it can't be taken for this packet's, clear it first.
	var err error
	for range 3 {
		_, _ = f.conn.GetsockoptInt(unix.SOL_SOCKET, unix.SO_ERROR)
		_, err = f.conn.Sendmsg(context.Background(), b, nil, nil, 0)
		if err == nil {
			return nil
		}
	}
	return sendError(err)
}

// Receive returns the next message, or the context's error.
func (f *Flow) Receive(ctx context.Context) (Message, error) {
	if f.conn == nil {
		select {
		case m := <-f.inbox:
			return m, nil
		case <-ctx.Done():
			return Message{}, ctx.Err()
		}
	}
	for {
		var m Message
		err := f.conn.ReadFunc(ctx, "recvmsg", func(fd int) error {
			var err error
			m, err = f.read(fd)
			return err
		})
		switch {
		case err == nil:
			return m, nil
		case ctx.Err() != nil:
			return Message{}, ctx.Err()
		case !soft(err):
			return Message{}, err
		}
	}
}

// read returns what is there: errors first, as they may explain silence.
func (f *Flow) read(fd int) (Message, error) {
	m, err := readErrorQueue(fd, f.buf, f.oob)
	if err == nil || !errors.Is(err, unix.EAGAIN) {
		return m, err
	}
	n, _, _, _, err := unix.Recvmsg(fd, f.buf, f.oob, 0)
	if err != nil {
		return Message{}, err
	}
	return Message{At: time.Now(), From: f.dst, Data: append([]byte(nil), f.buf[:n]...)}, nil
}

// soft says that an error of receiving only repeats an ICMP error, which the
// error queue tells in full.
func soft(err error) bool {
	for _, e := range []unix.Errno{unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EMSGSIZE, unix.EPROTO, unix.EACCES, unix.EHOSTDOWN, unix.ENOPROTOOPT, unix.EOPNOTSUPP} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Heard returns what the hub hears about a flow that has a socket of its own;
// nil if there is none. ICMP errors are then told twice: by Receive, and more
// fully by Heard.
func (f *Flow) Heard() <-chan Message {
	if f.conn == nil {
		return nil // Receive tells all
	}
	return f.inbox
}

// Close closes the flow; a Receive that waits returns.
func (f *Flow) Close() error {
	if f.hub != nil {
		f.hub.remove(f)
	}
	if f.hold != nil {
		return f.hold.Close()
	}
	if f.conn == nil {
		return nil
	}
	return f.conn.Close()
}
