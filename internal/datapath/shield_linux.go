package datapath

import (
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

// shield drops packets in transit at an interface's ingress hook, which comes
// after the taps of packet sockets: the port sees them and the kernel doesn't.
type shield struct {
	prog *ebpf.Program
	link link.Link
}

func openShield(index int, local *LocalSet) (*shield, error) {
	const (
		next, drop = -1, 2 // enum tcx_action_base
		frameOff   = -70   // puts the destination address at a multiple of 8, below the key
		frameLen   = offHBH
	)
	ins := asm.Instructions{
		// bpf_skb_load_bytes also reads what isn't in the linear part.
		asm.Mov.Imm(asm.R2, 0),
		asm.Mov.Reg(asm.R3, asm.RFP),
		asm.Add.Imm(asm.R3, frameOff),
		asm.Mov.Imm(asm.R4, frameLen),
		asm.FnSkbLoadBytes.Call(),
		asm.JNE.Imm(asm.R0, 0, "kernel"),
		asm.Mov.Reg(asm.R6, asm.RFP),
		asm.Add.Imm(asm.R6, frameOff),
	}
	ins = append(ins, neverTransit(asm.R6)...)
	ins = append(ins, toLocal(asm.R6, local.m)...)
	ins = append(ins,
		asm.Mov.Imm(asm.R0, drop),
		asm.Return(),
		asm.Mov.Imm(asm.R0, next).WithSymbol("kernel"),
		asm.Return(),
	)
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "pmtu_shield", Type: ebpf.SchedCLS, Instructions: ins, License: programLicense})
	if err != nil {
		return nil, &NotSupportedError{Feature: "AF_PACKET shield", Reason: "the kernel refused an eBPF program (needs CAP_BPF and CAP_NET_ADMIN); without a shield, switch forwarding off in this namespace", Err: err}
	}
	l, err := link.AttachTCX(link.TCXOptions{Interface: index, Program: prog, Attach: ebpf.AttachTCXIngress})
	if err != nil {
		_ = prog.Close()
		return nil, &NotSupportedError{Feature: "AF_PACKET shield", Reason: "can't attach an eBPF program to the interface's ingress (needs Linux 6.6 and CAP_NET_ADMIN); without a shield, switch forwarding off in this namespace", Err: err}
	}
	return &shield{prog: prog, link: l}, nil
}

func (s *shield) close() {
	if s != nil {
		_ = s.link.Close()
		_ = s.prog.Close()
	}
}
