package datapath

import (
	"fmt"
	"net/netip"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const (
	accept = 1 << 18 // bytes of the frame: all
	refuse = 0
)

// transitFilter keeps IPv6 frames to a unicast address that is not link-local.
// Neighbor Discovery to a global address of the router passes; the router finds
// that it is local and leaves it to the kernel.
var transitFilter = []bpf.Instruction{
	bpf.LoadAbsolute{Off: offEtherType, Size: 2},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: etherIPv6, SkipTrue: 5},
	bpf.LoadAbsolute{Off: offDst, Size: 1},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0xff, SkipTrue: 3},
	bpf.LoadAbsolute{Off: offDst, Size: 2},
	bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xffc0},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0xfe80, SkipTrue: 1},
	bpf.RetConstant{Val: refuse},
	bpf.RetConstant{Val: accept},
}

// solicitationFilter keeps Neighbor Solicitations to ff02::1:ff00:0/104.
var solicitationFilter = []bpf.Instruction{
	bpf.LoadAbsolute{Off: offEtherType, Size: 2},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: etherIPv6, SkipTrue: 12},
	bpf.LoadAbsolute{Off: offNext, Size: 1},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_ICMPV6, SkipTrue: 10},
	bpf.LoadAbsolute{Off: offDst, Size: 4},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0xff020000, SkipTrue: 8},
	bpf.LoadAbsolute{Off: offDst + 8, Size: 4},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 1, SkipTrue: 6},
	bpf.LoadAbsolute{Off: offDst + 12, Size: 1},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0xff, SkipTrue: 4},
	bpf.LoadAbsolute{Off: offHBH, Size: 1},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: neighborSolicitation, SkipTrue: 2},
	bpf.RetConstant{Val: accept},
	bpf.RetConstant{Val: refuse},
	bpf.RetConstant{Val: refuse},
}

const neighborSolicitation = 135 // RFC 4861 section 4.3

func attachFilter(fd int, ins []bpf.Instruction) error {
	raw, err := bpf.Assemble(ins)
	if err != nil {
		return err
	}
	f := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		f[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]})
}

// joinSolicitedNodes makes the interface receive the multicast frames that ask
// for addresses (RFC 4291 section 2.7.1, RFC 2464 section 7).
func joinSolicitedNodes(fd, index int, addrs []netip.Addr) error {
	for _, a := range addrs {
		b := a.As16()
		m := unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_MULTICAST, Alen: 6,
			Address: [8]uint8{0x33, 0x33, 0xff, b[13], b[14], b[15]}}
		if err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &m); err != nil {
			return fmt.Errorf("datapath: join the solicited-node address of %v: %w", a, err)
		}
	}
	return nil
}
