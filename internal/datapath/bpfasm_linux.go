package datapath

import (
	"encoding/binary"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// The programs below are written in eBPF assembly so that building needs no C
// compiler. Both ask: does this frame belong to the kernel of this namespace? It
// does when it isn't IPv6, or goes to a multicast, link-local or local address.

// programLicense is what the programs declare to the kernel, which lends its
// route lookup only to programs that may also be used under the GPL. The eBPF
// programs of this package, and they alone, may be used under the MIT licence or
// the GNU GPL, version 2, as well as under Apache-2.0.
const programLicense = "Dual MIT/GPL"

// Offsets in an Ethernet frame with an IPv6 header.
const (
	offEtherType = 12
	offIP        = etherLen
	offPayload   = offIP + 4
	offNext      = offIP + 6
	offHop       = offIP + 7
	offSrc       = offIP + 8
	offDst       = offIP + 24
	offHBH       = offIP + ipv6Len
	offMinPMTU   = offHBH + 4
)

// keyOff is the place of the destination address on the stack.
const keyOff = -16

// be16 returns the value that a native 16-bit load of v in network order gives.
func be16(v uint16) int32 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return int32(binary.NativeEndian.Uint16(b[:]))
}

// be32 is be16 for 32 bits.
func be32(v uint32) int32 {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], v)
	return int32(binary.NativeEndian.Uint32(b[:]))
}

// neverTransit jumps to label "kernel" for frames that are no IPv6 packets to a
// global unicast address. The frame's first 54 bytes are at reg.
func neverTransit(reg asm.Register) asm.Instructions {
	return asm.Instructions{
		asm.LoadMem(asm.R2, reg, offEtherType, asm.Half),
		asm.JNE.Imm(asm.R2, be16(etherIPv6), "kernel"),
		asm.LoadMem(asm.R2, reg, offIP, asm.Byte),
		asm.RSh.Imm(asm.R2, 4),
		asm.JNE.Imm(asm.R2, 6, "kernel"),
		asm.LoadMem(asm.R2, reg, offDst, asm.Byte),
		asm.JEq.Imm(asm.R2, 0xff, "kernel"),
		asm.JNE.Imm(asm.R2, 0xfe, "transit"),
		asm.LoadMem(asm.R2, reg, offDst+1, asm.Byte),
		asm.And.Imm(asm.R2, 0xc0),
		asm.JEq.Imm(asm.R2, 0x80, "kernel"),
		asm.Mov.Imm(asm.R2, 0).WithSymbol("transit"),
	}
}

// toLocal jumps to label "kernel" for frames to an address of the set. Its
// first instruction is labelled "user".
func toLocal(reg asm.Register, local *ebpf.Map) asm.Instructions {
	return asm.Instructions{
		// Two native loads copy the address as it is.
		asm.LoadMem(asm.R2, reg, offDst, asm.DWord).WithSymbol("user"),
		asm.StoreMem(asm.RFP, keyOff, asm.R2, asm.DWord),
		asm.LoadMem(asm.R2, reg, offDst+8, asm.DWord),
		asm.StoreMem(asm.RFP, keyOff+8, asm.R2, asm.DWord),
		asm.LoadMapPtr(asm.R1, local.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, keyOff),
		asm.FnMapLookupElem.Call(),
		asm.JNE.Imm(asm.R0, 0, "kernel"),
	}
}
