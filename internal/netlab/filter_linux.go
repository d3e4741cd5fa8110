package netlab

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"
)

// filterTable is the nftables table of a node.
const filterTable = "netlab"

// Names of the rules whose counters [LiveNode.Counters] returns. Loss rules are
// called "loss" and the interface, for example "loss to-r1".
const (
	RulePTB4 = "ptb ipv4"
	RulePTB6 = "ptb ipv6"
)

// register 1 is the only one the rules need.
const reg = 1

// applyFilters writes the table of a node afresh, in one transaction.
func (lab *Lab) applyFilters(n *LiveNode) error {
	c, err := nftables.New(nftables.WithNetNSFd(n.Fd()))
	if err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	table := &nftables.Table{Family: nftables.TableFamilyINet, Name: filterTable}
	c.AddTable(table) // so that deleting never fails
	c.DelTable(table)
	c.AddTable(table)
	output := c.AddChain(&nftables.Chain{
		Name: "output", Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityFilter,
	})
	arriving := c.AddChain(&nftables.Chain{
		Name: "arriving", Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityRaw,
	})
	add := func(chain *nftables.Chain, name string, exprs []expr.Any) {
		c.AddRule(&nftables.Rule{
			Table: table, Chain: chain, Exprs: exprs,
			UserData: userdata.AppendString(nil, userdata.TypeComment, name),
		})
	}
	if n.Node.PTB.Mode != PTBDelivered {
		add(output, RulePTB4, append(isPTB4(), n.Node.PTB.act(6, 2)...))
		add(output, RulePTB6, append(isPTB6(), n.Node.PTB.act(4, 4)...))
	}
	add(arriving, "link-local multicast", acceptLinkMulticast())
	for i, l := range lab.Topology.Links {
		near, _ := l.sides(n.Node.Name)
		if near.Node != n.Node.Name {
			continue
		}
		ifname := lab.ifname(near.Node, i)
		for _, loss := range near.Loss {
			add(arriving, "loss "+ifname, loss.rule(ifname))
		}
	}
	return c.Flush()
}

// SetPTB changes what becomes of a node's packet-too-big messages while the lab
// stands. Its counters start again at zero.
func (lab *Lab) SetPTB(node string, p PTB) error {
	n := lab.nodes[node]
	if n == nil {
		return fmt.Errorf("set PTB: unknown node %q", node)
	}
	n.Node.PTB = p
	return lab.applyFilters(n)
}

// Counters returns how many packets each rule of the node acted on, by the
// rule's name; rules of one name are summed.
func (n *LiveNode) Counters() (map[string]uint64, error) {
	c, err := nftables.New(nftables.WithNetNSFd(n.Fd()))
	if err != nil {
		return nil, fmt.Errorf("nftables: %w", err)
	}
	table := &nftables.Table{Family: nftables.TableFamilyINet, Name: filterTable}
	hits := map[string]uint64{}
	for _, chain := range []string{"output", "arriving"} {
		rules, err := c.GetRules(table, &nftables.Chain{Name: chain, Table: table})
		if err != nil {
			return nil, fmt.Errorf("read rules of chain %s: %w", chain, err)
		}
		for _, r := range rules {
			name, _ := userdata.GetString(r.UserData, userdata.TypeComment)
			for _, e := range r.Exprs {
				if counter, ok := e.(*expr.Counter); ok {
					hits[name] += counter.Packets
				}
			}
		}
	}
	return hits, nil
}

// isPTB4 matches ICMP type 3 code 4.
func isPTB4() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: []byte{unix.IPPROTO_ICMP}},
		&expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: []byte{3, 4}},
	}
}

// isPTB6 matches ICMPv6 type 2.
func isPTB6() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: []byte{unix.IPPROTO_ICMPV6}},
		&expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: []byte{2}},
	}
}

// act is what is done to a packet-too-big message whose MTU field is length
// bytes at offset of the ICMP header.
func (p PTB) act(offset, length uint32) []expr.Any {
	if p.Mode == PTBFiltered {
		return []expr.Any{&expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop}}
	}
	lie := bigEndian(uint32(p.MTU))[4-length:]
	return []expr.Any{
		&expr.Counter{},
		&expr.Immediate{Register: reg, Data: lie},
		&expr.Payload{
			OperationType: expr.PayloadWrite, SourceRegister: reg,
			Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: length,
			CsumType: expr.CsumTypeInet, CsumOffset: 2,
		},
	}
}

// rule drops what the loss says of what arrives over an interface.
func (l Loss) rule(ifname string) []expr.Any {
	name := make([]byte, unix.IFNAMSIZ)
	copy(name, ifname)
	exprs := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: reg},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: name},
	}
	if l.Above > 0 {
		exprs = append(exprs, &expr.Meta{Key: expr.MetaKeyLEN, Register: reg}, toBigEndian(),
			&expr.Cmp{Op: expr.CmpOpGt, Register: reg, Data: bigEndian(uint32(l.Above))})
	}
	switch {
	case l.Every > 0:
		exprs = append(exprs,
			&expr.Numgen{Register: reg, Type: unix.NFT_NG_INCREMENTAL, Modulus: uint32(l.Every)},
			&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: make([]byte, 4)})
	case l.Percent < 100:
		const whole = 1_000_000
		exprs = append(exprs,
			&expr.Numgen{Register: reg, Type: unix.NFT_NG_RANDOM, Modulus: whole}, toBigEndian(),
			&expr.Cmp{Op: expr.CmpOpLt, Register: reg, Data: bigEndian(uint32(math.Round(l.Percent * whole / 100)))})
	}
	return append(exprs, &expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop})
}

// acceptLinkMulticast spares what neighbours tell each other, such as multicast
// listener reports: it is not of any path, and would shift the count of Every.
func acceptLinkMulticast() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: reg},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: []byte{unix.NFPROTO_IPV6}},
		&expr.Payload{DestRegister: reg, Base: expr.PayloadBaseNetworkHeader, Offset: 24, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: []byte{0xff, 0x02}},
		&expr.Counter{}, &expr.Verdict{Kind: expr.VerdictAccept},
	}
}

// toBigEndian makes a number in host order comparable: comparisons go byte by
// byte from the left.
func toBigEndian() expr.Any {
	return &expr.Byteorder{SourceRegister: reg, DestRegister: reg, Op: expr.ByteorderHton, Len: 4, Size: 4}
}

func bigEndian(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }
