package rawsock

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"github.com/mdlayher/socket"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// A Wire sends whole IP packets to one target, and receives whole IP packets
// that may be about them: all ICMP errors, and what the target sends. Send and
// Receive may be called concurrently with each other, but each by one goroutine
// only. It needs CAP_NET_RAW.
type Wire struct {
	out, in  *socket.Conn
	udp, tcp *socket.Conn // hold the ports, so that nobody else uses them
	to       unix.Sockaddr
	src      netip.Addr
	udpPort  uint16
	tcpPort  uint16
	buf      []byte
}

// OpenWire opens the sockets of a Wire from src to dst. It returns a
// *PrivilegeError if the process may not have them.
func OpenWire(src, dst netip.Addr) (w *Wire, err error) {
	w = &Wire{src: src, buf: make([]byte, maxPacket)}
	defer func() {
		if err != nil {
			_ = w.Close()
			w = nil
		}
		if denied(err) {
			err = &PrivilegeError{What: "raw socket", Need: "CAP_NET_RAW", Err: err}
		}
	}()
	if w.to, err = sockaddr(dst, 0); err != nil {
		return w, err
	}
	if w.out, err = openOut(!dst.Is4()); err != nil {
		return w, err
	}
	if w.in, err = openCapture(!dst.Is4(), captureFilter(dst)); err != nil {
		return w, err
	}
	if w.udp, w.udpPort, err = hold(unix.SOCK_DGRAM, src); err != nil {
		return w, err
	}
	w.tcp, w.tcpPort, err = hold(unix.SOCK_STREAM, src)
	return w, err
}

// openOut opens a socket that sends whole IP packets.
func openOut(v6 bool) (*socket.Conn, error) {
	return openRaw(v6, unix.IPPROTO_RAW, "wire", nil)
}

// openCapture opens a packet socket for what arrives by any link and passes the
// filter.
func openCapture(v6 bool, pass []bpf.Instruction) (*socket.Conn, error) {
	protocol := uint16(unix.ETH_P_IP)
	if v6 {
		protocol = unix.ETH_P_IPV6
	}
	// Without a protocol nothing is received until the filter is there.
	c, err := socket.Socket(unix.AF_PACKET, unix.SOCK_DGRAM, 0, "capture", nil)
	if err != nil {
		return nil, err
	}
	buffers(c)
	filter, err := bpf.Assemble(pass)
	if err == nil {
		err = c.SetBPF(filter)
	}
	if err == nil {
		var big [2]byte
		binary.BigEndian.PutUint16(big[:], protocol)
		err = c.Bind(&unix.SockaddrLinklayer{Protocol: binary.NativeEndian.Uint16(big[:])})
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// captureFilter passes ICMP, and anything from the target. The packet begins
// with its IP header.
func captureFilter(target netip.Addr) []bpf.Instruction {
	const all = 1 << 18
	pass, drop := bpf.RetConstant{Val: all}, bpf.RetConstant{}
	if target.Is4() {
		a := target.As4()
		return []bpf.Instruction{
			bpf.LoadAbsolute{Off: 9, Size: 1},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: protoICMP, SkipTrue: 2},
			bpf.LoadAbsolute{Off: 12, Size: 4},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(a[:]), SkipTrue: 1},
			pass,
			drop,
		}
	}
	a := target.As16()
	const hopByHop = 0
	out := []bpf.Instruction{
		bpf.LoadAbsolute{Off: 6, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: protoICMPv6, SkipTrue: 9},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: hopByHop, SkipTrue: 8},
	}
	for word := range 4 {
		out = append(out,
			bpf.LoadAbsolute{Off: uint32(8 + 4*word), Size: 4},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(a[4*word:]), SkipTrue: uint8(7 - 2*word)},
		)
	}
	return append(out, pass, drop)
}

// UDPPort is a UDP port of the source address that nobody else uses.
func (w *Wire) UDPPort() uint16 { return w.udpPort }

// TCPPort is a TCP port of the source address that nobody else uses. The kernel
// resets connections to it.
func (w *Wire) TCPPort() uint16 { return w.tcpPort }

// Send sends one whole IP packet. A failure is a *SendError.
func (w *Wire) Send(packet []byte) error {
	_, err := w.out.Sendmsg(context.Background(), packet, nil, w.to, 0)
	return sendError(err)
}

// Receive returns the next whole IP packet that arrived, valid until the next
// call, or the context's error.
func (w *Wire) Receive(ctx context.Context) ([]byte, time.Time, error) {
	for {
		n, _, err := w.in.Recvfrom(ctx, w.buf, 0)
		switch {
		case err == nil:
			return w.buf[:n], time.Now(), nil
		case ctx.Err() != nil:
			return nil, time.Time{}, ctx.Err()
		case errors.Is(err, unix.ENETDOWN): // one of the links went away
		default:
			return nil, time.Time{}, err
		}
	}
}

// Close closes the sockets; a Receive that waits returns.
func (w *Wire) Close() error {
	var errs []error
	for _, c := range []*socket.Conn{w.out, w.in, w.udp, w.tcp} {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}
