package udpoptsock

import "golang.org/x/net/bpf"

// The kernel hands each datagram to the raw socket and to the UDP socket. The
// filters share them out: what has a surplus area goes to the raw socket, the
// rest to the UDP socket, which has the kernel verify checksums.

const (
	// networkOffset is SKF_NET_OFF: offsets from the network header, wherever
	// the socket's own offsets start.
	networkOffset = 0xfff00000
	protoUDP      = 17
	wholePacket   = 1 << 18
)

// The filters of a raw socket see the IP header first over IPv4, and the UDP
// header first over IPv6. remote 0 means any port.

func rawFilter4(local, remote uint16) []bpf.Instruction {
	return join(
		[]bpf.Instruction{bpf.LoadMemShift{Off: 0}}, // X: IP header length
		mustEqual(bpf.LoadIndirect{Off: 2, Size: 2}, local),
		peerPort(bpf.LoadIndirect{Off: 0, Size: 2}, remote),
		[]bpf.Instruction{
			bpf.LoadIndirect{Off: 4, Size: 2}, // UDP Length
			bpf.ALUOpX{Op: bpf.ALUOpAdd},
			bpf.TAX{},
			bpf.LoadExtension{Num: bpf.ExtLen},
			bpf.JumpIfX{Cond: bpf.JumpGreaterThan, SkipFalse: 1},
			bpf.RetConstant{Val: wholePacket},
			bpf.RetConstant{Val: 0},
		})
}

func rawFilter6(local, remote uint16) []bpf.Instruction {
	return join(
		mustEqual(bpf.LoadAbsolute{Off: networkOffset + 6, Size: 1}, protoUDP),
		mustEqual(bpf.LoadAbsolute{Off: 2, Size: 2}, local),
		peerPort(bpf.LoadAbsolute{Off: 0, Size: 2}, remote),
		[]bpf.Instruction{
			bpf.LoadAbsolute{Off: 4, Size: 2},
			bpf.TAX{},
			bpf.LoadExtension{Num: bpf.ExtLen},
			bpf.JumpIfX{Cond: bpf.JumpGreaterThan, SkipFalse: 1},
			bpf.RetConstant{Val: wholePacket},
			bpf.RetConstant{Val: 0},
		})
}

// The filters of a UDP socket see the UDP header first; the kernel has cut the
// surplus area off by then, but the IP header still tells of it.

func udpFilter4() []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadMemShift{Off: networkOffset},
		bpf.LoadAbsolute{Off: 4, Size: 2},
		bpf.ALUOpX{Op: bpf.ALUOpAdd},
		bpf.TAX{},
		bpf.LoadAbsolute{Off: networkOffset + 2, Size: 2}, // Total Length
		bpf.JumpIfX{Cond: bpf.JumpGreaterThan, SkipTrue: 1},
		bpf.RetConstant{Val: wholePacket},
		bpf.RetConstant{Val: 0},
	}
}

// Behind IPv6 extension headers the length of the UDP part is not to be had
// here: such datagrams all go to the UDP socket, and their options are ignored.
func udpFilter6() []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: networkOffset + 6, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: protoUDP, SkipTrue: 4},
		bpf.LoadAbsolute{Off: 4, Size: 2},
		bpf.TAX{},
		bpf.LoadAbsolute{Off: networkOffset + 4, Size: 2}, // Payload Length
		bpf.JumpIfX{Cond: bpf.JumpGreaterThan, SkipTrue: 1},
		bpf.RetConstant{Val: wholePacket},
		bpf.RetConstant{Val: 0},
	}
}

// icmpFilter4 and icmpFilter6 let through what tells of a too big packet between
// two ports, so that a flood of other messages costs this process nothing. The
// quoted IPv4 header has no options, since none are sent.

func icmpFilter4(local, remote uint16) []bpf.Instruction {
	return join(
		[]bpf.Instruction{bpf.LoadMemShift{Off: 0}},
		mustEqual(bpf.LoadIndirect{Off: 0, Size: 2}, 0x0304), // destination unreachable, fragmentation needed
		mustEqual(bpf.LoadIndirect{Off: 8, Size: 1}, 0x45),
		mustEqual(bpf.LoadIndirect{Off: 8 + 9, Size: 1}, protoUDP),
		mustEqual(bpf.LoadIndirect{Off: 8 + 20, Size: 2}, local),
		mustEqual(bpf.LoadIndirect{Off: 8 + 22, Size: 2}, remote),
		[]bpf.Instruction{bpf.RetConstant{Val: wholePacket}})
}

func icmpFilter6(local, remote uint16) []bpf.Instruction {
	return join(
		mustEqual(bpf.LoadAbsolute{Off: 0, Size: 1}, 2), // Packet Too Big
		mustEqual(bpf.LoadAbsolute{Off: 8 + 6, Size: 1}, protoUDP),
		mustEqual(bpf.LoadAbsolute{Off: 8 + 40, Size: 2}, local),
		mustEqual(bpf.LoadAbsolute{Off: 8 + 42, Size: 2}, remote),
		[]bpf.Instruction{bpf.RetConstant{Val: wholePacket}})
}

// mustEqual refuses the packet unless what is loaded has the value.
func mustEqual(load bpf.Instruction, value uint16) []bpf.Instruction {
	return []bpf.Instruction{load, bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(value), SkipTrue: 1}, bpf.RetConstant{Val: 0}}
}

func peerPort(load bpf.Instruction, port uint16) []bpf.Instruction {
	if port == 0 {
		return nil
	}
	return mustEqual(load, port)
}

func join(parts ...[]bpf.Instruction) []bpf.Instruction {
	var out []bpf.Instruction
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}
