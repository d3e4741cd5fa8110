package datapath

import (
	"errors"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

const (
	xdpDrop = 1
	xdpPass = 2
	// Offsets in struct xdp_md.
	ctxData, ctxDataEnd, ctxIngress, ctxQueue = 0, 4, 12, 16
)

// xdpProgram is the program of an AF_XDP port: frames of the kernel pass, all
// others go to the socket of their receive queue, unless the fast path
// forwards them first.
type xdpProgram struct {
	prog *ebpf.Program
	xsks *ebpf.Map
	link link.Link
}

func loadXDP(index int, local *LocalSet, fast *FastPath, queues int, frags bool) (*xdpProgram, error) {
	xsks, err := ebpf.NewMap(&ebpf.MapSpec{Name: "pmtu_xsks", Type: ebpf.XSKMap, KeySize: 4, ValueSize: 4, MaxEntries: uint32(queues)})
	if err != nil {
		return nil, &NotSupportedError{Feature: "AF_XDP", Reason: "can't create a map of AF_XDP sockets (needs CAP_BPF and CAP_NET_ADMIN)", Err: err}
	}
	ins := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMem(asm.R7, asm.R6, ctxData, asm.Word),
		asm.LoadMem(asm.R8, asm.R6, ctxDataEnd, asm.Word),
		asm.Mov.Reg(asm.R2, asm.R7),
		asm.Add.Imm(asm.R2, offHBH),
		asm.JGT.Reg(asm.R2, asm.R8, "kernel"),
	}
	ins = append(ins, neverTransit(asm.R7)...)
	if fast != nil {
		// The route lookup finds out by itself which packets are local.
		code, err := fast.instructions(index)
		if err != nil {
			_ = xsks.Close()
			return nil, err
		}
		ins = append(ins, code...)
	}
	ins = append(ins, toLocal(asm.R7, local.m)...)
	ins = append(ins,
		asm.LoadMapPtr(asm.R1, xsks.FD()),
		asm.LoadMem(asm.R2, asm.R6, ctxQueue, asm.Word),
		// No socket on this queue: the kernel must not forward in our place.
		asm.Mov.Imm(asm.R3, xdpDrop),
		asm.FnRedirectMap.Call(),
		asm.Return(),
		asm.Mov.Imm(asm.R0, xdpPass).WithSymbol("kernel"),
		asm.Return(),
	)
	spec := &ebpf.ProgramSpec{Name: "pmtu_port", Type: ebpf.XDP, Instructions: ins, License: programLicense}
	if frags {
		spec.Flags = unix.BPF_F_XDP_HAS_FRAGS
	}
	prog, err := ebpf.NewProgram(spec)
	if err != nil {
		_ = xsks.Close()
		return nil, &NotSupportedError{Feature: "XDP", Reason: "the kernel refused the program (needs CAP_BPF and CAP_NET_ADMIN)", Err: err}
	}
	return &xdpProgram{prog: prog, xsks: xsks}, nil
}

// attach puts the program on the interface: in the driver, or with generic in
// the kernel's slower generic hook when the driver has none.
func (x *xdpProgram) attach(index int, generic bool) error {
	l, err := link.AttachXDP(link.XDPOptions{Program: x.prog, Interface: index, Flags: link.XDPDriverMode})
	if err != nil && generic && !errors.Is(err, unix.EBUSY) {
		l, err = link.AttachXDP(link.XDPOptions{Program: x.prog, Interface: index, Flags: link.XDPGenericMode})
	}
	if err != nil {
		reason := "can't attach an XDP program to the interface"
		if errors.Is(err, unix.EBUSY) {
			reason = "the interface has another XDP program"
		}
		return &NotSupportedError{Feature: "XDP", Reason: reason, Err: err}
	}
	x.link = l
	return nil
}

func (x *xdpProgram) close() {
	if x == nil {
		return
	}
	if x.link != nil {
		_ = x.link.Close()
	}
	_ = x.prog.Close()
	_ = x.xsks.Close()
}
