package rawsock

import (
	"context"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/mdlayher/socket"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const (
	tcpHeaderLen = 20
	tcpChecksum  = 16 // its offset
)

// OpenTCP opens a flow of TCP segments to dst, from a local port that is held as
// long as the flow is open, so that nobody else uses it. It needs a hub; without
// one it returns a *PrivilegeError.
func OpenTCP(hub *Hub, src netip.Addr, dst netip.AddrPort) (*Flow, error) {
	if hub == nil || hub.tcp(dst.Addr()) == nil {
		return nil, &PrivilegeError{What: "raw TCP socket", Need: "CAP_NET_RAW", Err: unix.EPERM}
	}
	c, port, err := hold(unix.SOCK_STREAM, src)
	if err != nil {
		return nil, err
	}
	f := newFlow(nil, dst.Addr(), protoTCP, netip.AddrPortFrom(src, port))
	f.port, f.hold = dst.Port(), c
	f.join(hub)
	return f, nil
}

// answersToSYN makes a raw socket get answers to SYNs only.
func answersToSYN(c *socket.Conn, v6 bool) error {
	if v6 {
		if err := c.SetsockoptInt(unix.IPPROTO_IPV6, unix.IPV6_CHECKSUM, tcpChecksum); err != nil {
			return err
		}
	}
	return answersOnly(c, v6)
}

// answersOnly lets SYN-ACKs, acknowledging resets and selective acknowledgements
// through: of what else arrives at this host, little is to be read for nothing. An
// IPv4 raw socket sees the IP header, an IPv6 one doesn't.
func answersOnly(c *socket.Conn, v6 bool) error {
	const (
		dataOffset, flags = 12, 13
		mask              = 0x17                     // ACK, RST, SYN, FIN
		plain, stamped    = 22, 34                   // where a SACK option begins after padding, and after time stamps too
		kindSACK          = 5                        // RFC 2018
		block, both       = 32 / 4 << 4, 44 / 4 << 4 // header with one block, without and with time stamps
	)
	program := []bpf.Instruction{bpf.LoadMemShift{Off: 0}} // X: length of the IPv4 header
	if v6 {
		program = []bpf.Instruction{bpf.LoadConstant{Dst: bpf.RegX, Val: 0}}
	}
	program = append(program,
		bpf.LoadIndirect{Off: flags, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: mask},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x12, SkipTrue: 10},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x14, SkipTrue: 9},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0x10, SkipTrue: 7},
		bpf.LoadIndirect{Off: dataOffset, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: block, SkipTrue: 5},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: both, SkipTrue: 2},
		bpf.LoadIndirect{Off: stamped, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: kindSACK, SkipTrue: 3},
		bpf.LoadIndirect{Off: plain, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: kindSACK, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.RetConstant{Val: maxPacket},
	)
	raw, err := bpf.Assemble(program)
	if err != nil {
		return err
	}
	return c.SetBPF(raw)
}

func (h *Hub) tcp(a netip.Addr) *socket.Conn {
	if a.Is4() {
		return h.tcp4
	}
	return h.tcp6
}

// listenTCP hands segments to the flows that they belong to.
func (h *Hub) listenTCP(ctx context.Context, c *socket.Conn, v6 bool) {
	defer h.wg.Done()
	buf := make([]byte, maxPacket)
	for ctx.Err() == nil {
		n, sa, err := c.Recvfrom(ctx, buf, 0)
		if err != nil {
			if ctx.Err() != nil || !soft(err) {
				return
			}
			continue
		}
		b, ok := buf[:n], true
		if !v6 {
			b, ok = stripIPv4(b)
		}
		if !ok || len(b) < tcpHeaderLen {
			continue
		}
		from := addrPort(sa).Addr()
		m := Message{At: time.Now(), From: from, Data: append([]byte(nil), b...)}
		h.deliver(from, m, func(f *Flow) bool {
			return f.proto == protoTCP && f.port == binary.BigEndian.Uint16(b) && f.local.Port() == binary.BigEndian.Uint16(b[2:])
		})
	}
}

// sumTCP fills in the checksum of a segment over IPv4.
func sumTCP(b []byte, src, dst netip.Addr) []byte {
	b = append([]byte(nil), b...)
	b[tcpChecksum], b[tcpChecksum+1] = 0, 0
	sum := uint32(protoTCP + len(b))
	for _, part := range [][]byte{src.AsSlice(), dst.AsSlice(), b} {
		sum = uint32(onesSum(sum, part))
	}
	binary.BigEndian.PutUint16(b[tcpChecksum:], ^uint16(sum))
	return b
}

// onesSum adds b to a one's complement sum (RFC 1071).
func onesSum(sum uint32, b []byte) uint16 {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}
