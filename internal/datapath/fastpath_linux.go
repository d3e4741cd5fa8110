package datapath

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// maxFastPorts bounds the interfaces of one fast path.
const maxFastPorts = 256

// FastPath forwards plain packets inside the kernel, in the XDP programs of
// the AF_XDP ports that share it: packets without a Hop-by-Hop header, and with
// one that holds just the Minimum Path MTU option (RFC 9268), whose Min-PMTU it
// lowers to the MTU of the outgoing link. It looks the route up in the kernel's
// table, so that the ingress interface must have forwarding switched on.
//
// Packets that need a decision (too big, hop limit, unresolved neighbour, any
// other option, an odd address or length, an egress that can't take XDP frames)
// go to the port's socket.
type FastPath struct {
	devs  *ebpf.Map // ifindex -> ifindex, of egress ports
	mtus  *ebpf.Map // ifindex -> MTU, of egress ports
	count *ebpf.Map
	// asked holds, for each ingress port by ifindex, an array of one number. 1:
	// the option 0x30 is processed.
	asked map[int]*ebpf.Map
}

// FastStats counts what the fast path did, on all its ports.
type FastStats struct {
	Forwarded uint64 // packets redirected; the egress driver may still drop them
	Rewritten uint64 // of them, those whose Min-PMTU was lowered
}

// NewFastPath returns a fast path without egress ports.
func NewFastPath() (*FastPath, error) {
	f := &FastPath{asked: map[int]*ebpf.Map{}}
	for _, m := range []struct {
		to   **ebpf.Map
		spec ebpf.MapSpec
	}{
		{&f.devs, ebpf.MapSpec{Name: "pmtu_devs", Type: ebpf.DevMapHash, KeySize: 4, ValueSize: 4, MaxEntries: maxFastPorts}},
		{&f.mtus, ebpf.MapSpec{Name: "pmtu_mtus", Type: ebpf.Hash, KeySize: 4, ValueSize: 4, MaxEntries: maxFastPorts}},
		{&f.count, ebpf.MapSpec{Name: "pmtu_count", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 16, MaxEntries: 1}},
	} {
		var err error
		if *m.to, err = ebpf.NewMap(&m.spec); err != nil {
			_ = f.Close()
			return nil, &NotSupportedError{Feature: "XDP fast path", Reason: "can't create a map of type " + m.spec.Type.String(), Err: err}
		}
	}
	return f, nil
}

// AddPort makes an interface of the calling thread's namespace known as an
// egress. Packets leave through it once SetMTU has been called.
func (f *FastPath) AddPort(index int) error {
	if err := f.devs.Put(uint32(index), uint32(index)); err != nil {
		return &NotSupportedError{Feature: "XDP fast path", Reason: fmt.Sprintf("interface %d can't be redirected to", index), Err: err}
	}
	return nil
}

// SetMTU lets packets of at most mtu bytes leave through an interface; with 0,
// none: they go to the sockets. The interface must be able to send XDP frames.
func (f *FastPath) SetMTU(index, mtu int) error {
	if mtu > 0 {
		return f.mtus.Put(uint32(index), uint32(min(mtu, 65535)))
	}
	if err := f.mtus.Delete(uint32(index)); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return err
	}
	return nil
}

// SetPolicy says whether the option 0x30 is processed in packets that come in
// on an interface. Without it they go to the sockets.
func (f *FastPath) SetPolicy(index int, process bool) error {
	var v uint32
	if process {
		v = 1
	}
	m, err := f.policy(index)
	if err != nil {
		return err
	}
	return m.Put(uint32(0), v)
}

// policy returns the map of an ingress port's policy: an array, whose lookup
// the kernel compiles into the program.
func (f *FastPath) policy(index int) (*ebpf.Map, error) {
	if m := f.asked[index]; m != nil {
		return m, nil
	}
	m, err := ebpf.NewMap(&ebpf.MapSpec{Name: "pmtu_asked", Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		return nil, &NotSupportedError{Feature: "XDP fast path", Reason: "can't create a map of type " + ebpf.Array.String(), Err: err}
	}
	f.asked[index] = m
	return m, nil
}

// Stats returns the counters.
func (f *FastPath) Stats() FastStats {
	var per [][2]uint64
	var s FastStats
	if f.count.Lookup(uint32(0), &per) == nil {
		for _, c := range per {
			s.Forwarded += c[0]
			s.Rewritten += c[1]
		}
	}
	return s
}

// Close frees the fast path. Ports that use it must be closed before.
func (f *FastPath) Close() error {
	for _, m := range []*ebpf.Map{f.devs, f.mtus, f.count} {
		if m != nil {
			_ = m.Close()
		}
	}
	for _, m := range f.asked {
		_ = m.Close()
	}
	return nil
}

// Where the fast path keeps things on the stack.
const (
	fib        = keyOff - 64 // struct bpf_fib_lookup, 64 bytes
	fibTotLen  = fib + 6
	fibIfindex = fib + 8
	fibFlow    = fib + 12
	fibSrc     = fib + 16
	fibDst     = fib + 32
	fibTail    = fib + 48
	fibSMAC    = fib + 52
	fibDMAC    = fib + 58
	mapKey     = fib - 8
)

// instructions are the fast path of an ingress port. They continue after
// neverTransit, with R6 the context, R7 and R8 the frame's begin and end, and 54
// bytes known to be there. They jump to "user" with packets that they don't
// forward, before they change anything.
func (f *FastPath) instructions(index int) (asm.Instructions, error) {
	asked, err := f.policy(index)
	if err != nil {
		return nil, err
	}
	return slices.Concat(checkTransit(asked), lookUpRoute(), f.checkMTU(), lowerMinPMTU(), rewriteHeaders(), f.countAndRedirect()), nil
}

// checkTransit lets plain packets pass, with no extension header but the option
// 0x30, if that is asked for. It leaves the length of the IP packet in R9.
func checkTransit(asked *ebpf.Map) asm.Instructions {
	return asm.Instructions{
		asm.LoadMem(asm.R2, asm.R7, offHop, asm.Byte),
		asm.JLE.Imm(asm.R2, 1, "user"),
		// Sources and destinations that aren't plain global unicast.
		asm.LoadMem(asm.R2, asm.R7, offSrc, asm.Byte),
		asm.JGE.Imm(asm.R2, 0xfe, "user"),
		asm.LoadMem(asm.R2, asm.R7, offSrc, asm.DWord),
		asm.JEq.Imm(asm.R2, 0, "user"),
		asm.LoadMem(asm.R2, asm.R7, offDst, asm.DWord),
		asm.JEq.Imm(asm.R2, 0, "user"),
		// R9: length of the IP packet. The frame must hold all of it.
		asm.LoadMem(asm.R9, asm.R7, offPayload, asm.Half),
		asm.HostTo(asm.BE, asm.R9, asm.Half),
		asm.Add.Imm(asm.R9, ipv6Len),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.FnXdpGetBuffLen.Call(),
		asm.Sub.Imm(asm.R0, etherLen),
		asm.JLT.Reg(asm.R0, asm.R9, "user"),
		// A Hop-by-Hop header of 8 octets with the option 0x30 and nothing else.
		asm.LoadMem(asm.R2, asm.R7, offNext, asm.Byte),
		asm.JNE.Imm(asm.R2, 0, "fib"),
		asm.Mov.Reg(asm.R2, asm.R7),
		asm.Add.Imm(asm.R2, offHBH+8),
		asm.JGT.Reg(asm.R2, asm.R8, "user"),
		asm.JLT.Imm(asm.R9, ipv6Len+8, "user"),
		asm.LoadMem(asm.R2, asm.R7, offHBH+1, asm.Byte),
		asm.JNE.Imm(asm.R2, 0, "user"),
		asm.LoadMem(asm.R2, asm.R7, offHBH+2, asm.Half),
		asm.JNE.Imm(asm.R2, be16(0x3004), "user"),
		asm.StoreImm(asm.RFP, mapKey, 0, asm.Word),
		asm.LoadMapPtr(asm.R1, asked.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, mapKey),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "user"),
		asm.LoadMem(asm.R0, asm.R0, 0, asm.Word),
		asm.JEq.Imm(asm.R0, 0, "user"),
	}
}

// lookUpRoute asks the kernel for the way and the neighbour.
func lookUpRoute() asm.Instructions {
	return asm.Instructions{
		asm.Mov.Imm(asm.R3, 0).WithSymbol("fib"),
		asm.StoreMem(asm.RFP, fib, asm.R3, asm.DWord),
		asm.StoreImm(asm.RFP, fib, unix.AF_INET6, asm.Byte),
		asm.StoreMem(asm.RFP, fibTotLen, asm.R9, asm.Half),
		asm.LoadMem(asm.R2, asm.R6, ctxIngress, asm.Word),
		asm.StoreMem(asm.RFP, fibIfindex, asm.R2, asm.Word),
		asm.LoadMem(asm.R2, asm.R7, offIP, asm.Word),
		asm.And.Imm(asm.R2, be32(0x0fffffff)),
		asm.StoreMem(asm.RFP, fibFlow, asm.R2, asm.Word),
		asm.LoadMem(asm.R2, asm.R7, offSrc, asm.DWord),
		asm.StoreMem(asm.RFP, fibSrc, asm.R2, asm.DWord),
		asm.LoadMem(asm.R2, asm.R7, offSrc+8, asm.DWord),
		asm.StoreMem(asm.RFP, fibSrc+8, asm.R2, asm.DWord),
		asm.LoadMem(asm.R2, asm.R7, offDst, asm.DWord),
		asm.StoreMem(asm.RFP, fibDst, asm.R2, asm.DWord),
		asm.LoadMem(asm.R2, asm.R7, offDst+8, asm.DWord),
		asm.StoreMem(asm.RFP, fibDst+8, asm.R2, asm.DWord),
		asm.StoreMem(asm.RFP, fibTail, asm.R3, asm.DWord),
		asm.StoreMem(asm.RFP, fibTail+8, asm.R3, asm.DWord),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, fib),
		asm.Mov.Imm(asm.R3, 64),
		asm.Mov.Imm(asm.R4, 0),
		asm.FnFibLookup.Call(),
		asm.JNE.Imm(asm.R0, 0, "user"),
	}
}

// checkMTU leaves the MTU of the egress in R0. After it, the packet is forwarded.
func (f *FastPath) checkMTU() asm.Instructions {
	return asm.Instructions{
		asm.LoadMapPtr(asm.R1, f.mtus.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, fibIfindex),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "user"),
		asm.LoadMem(asm.R0, asm.R0, 0, asm.Word),
		asm.JLT.Reg(asm.R0, asm.R9, "user"),
	}
}

// lowerMinPMTU does what RFC 9268 asks of a router. It leaves in R9 whether
// Min-PMTU was lowered.
func lowerMinPMTU() asm.Instructions {
	return asm.Instructions{
		asm.Mov.Imm(asm.R9, 0),
		asm.LoadMem(asm.R2, asm.R7, offNext, asm.Byte),
		asm.JNE.Imm(asm.R2, 0, "hop"),
		asm.Mov.Reg(asm.R2, asm.R7),
		asm.Add.Imm(asm.R2, offHBH+8),
		asm.JGT.Reg(asm.R2, asm.R8, "hop"),
		asm.LoadMem(asm.R2, asm.R7, offMinPMTU, asm.Half),
		asm.HostTo(asm.BE, asm.R2, asm.Half),
		asm.JLE.Reg(asm.R2, asm.R0, "hop"),
		asm.HostTo(asm.BE, asm.R0, asm.Half),
		asm.StoreMem(asm.R7, offMinPMTU, asm.R0, asm.Half),
		asm.Mov.Imm(asm.R9, 1),
	}
}

// rewriteHeaders lowers the hop limit and puts the link addresses in.
func rewriteHeaders() asm.Instructions {
	ins := asm.Instructions{
		asm.LoadMem(asm.R2, asm.R7, offHop, asm.Byte).WithSymbol("hop"),
		asm.Sub.Imm(asm.R2, 1),
		asm.StoreMem(asm.R7, offHop, asm.R2, asm.Byte),
	}
	for i := int16(0); i < 6; i += 2 {
		ins = append(ins,
			asm.LoadMem(asm.R2, asm.RFP, fibDMAC+i, asm.Half),
			asm.StoreMem(asm.R7, i, asm.R2, asm.Half),
			asm.LoadMem(asm.R2, asm.RFP, fibSMAC+i, asm.Half),
			asm.StoreMem(asm.R7, 6+i, asm.R2, asm.Half),
		)
	}
	return ins
}

// countAndRedirect ends the program.
func (f *FastPath) countAndRedirect() asm.Instructions {
	return asm.Instructions{
		asm.StoreImm(asm.RFP, mapKey, 0, asm.Word),
		asm.LoadMapPtr(asm.R1, f.count.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, mapKey),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "redirect"),
		// A counter of this CPU: nobody else writes it.
		asm.LoadMem(asm.R2, asm.R0, 0, asm.DWord),
		asm.Add.Imm(asm.R2, 1),
		asm.StoreMem(asm.R0, 0, asm.R2, asm.DWord),
		asm.LoadMem(asm.R2, asm.R0, 8, asm.DWord),
		asm.Add.Reg(asm.R2, asm.R9),
		asm.StoreMem(asm.R0, 8, asm.R2, asm.DWord),

		asm.LoadMapPtr(asm.R1, f.devs.FD()).WithSymbol("redirect"),
		asm.LoadMem(asm.R2, asm.RFP, fibIfindex, asm.Word),
		asm.Mov.Imm(asm.R3, 0),
		asm.FnRedirectMap.Call(),
		asm.Return(),
	}
}
