package truncate_test

import (
	"testing"

	"pathmtu/internal/ip6"
	"pathmtu/internal/ip6/ip6test"
	"pathmtu/truncate"
)

// seed adds the heads of packets: inputs are kept short, for the fuzzer spends
// its time minimising long ones. whole makes packets of them.
func seed(f *testing.F) {
	for _, p := range []ip6.Packet{
		udp(1500, do(opt(el))), udp(1300, ip6test.HopByHop(), do(opt(tr), opt(5, 0, 0))), udp(1500, do(opt(en, 5, 0, 0))),
		ip6test.Sized(1501, ip6.ProtoTCP, ip6test.TCP, do(opt(el))), ip6test.Sized(1499, ip6.ProtoICMPv6, ip6test.Echo, do(opt(el), opt(el))),
		udp(1400, do(opt(el)), ip6test.Fragment(0, true)), udp(1400, do(opt(el), opt(tr))), udp(1400, do(opt(en, 0, 10, 0x80))),
		ip6test.Packet(ip6.ProtoUDP, append(ip6test.UDP(1300), make([]byte, 200)...), do(opt(el))),
	} {
		f.Add([]byte(p[:90]), uint16(len(p)), uint16(1280), false)
		f.Add([]byte(p[:90]), uint16(len(p)), uint16(1401), true)
	}
}

// whole is the packet of n bytes, at least len(head) and at most 4095, that
// starts with head. An odd n gets a good checksum, if it can have one.
func whole(head []byte, n uint16) (ip6.Packet, bool) {
	size := max(len(head), int(n%4096))
	if len(head) < ip6.HeaderLen || size > 4095 {
		return nil, false
	}
	b := append(append([]byte(nil), head...), make([]byte, size-len(head))...)
	for i := len(head); i < size; i++ {
		b[i] = byte(i)
	}
	if _, err := ip6.ParseQuote(b); err != nil {
		return nil, false
	}
	p := ip6.Packet(b).Cut(size)
	if size%2 == 1 {
		p.SetChecksum(ip6.Limits{})
	}
	return p, true
}

func revision(t0 bool) truncate.Reader {
	if t0 {
		return truncate.Reader{Revision: truncate.T0}
	}
	return truncate.Reader{}
}

func FuzzRouter(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, head []byte, n, mtu uint16, t0 bool) {
		p, ok := whole(head, n)
		if !ok || len(p) <= int(mtu) {
			return
		}
		r := truncate.Router{Reader: revision(t0)}
		before := ip6test.Clone(p)
		pl := r.Plan(p, int(mtu))
		if string(p) != string(before) {
			t.Fatal("a plan changed the packet")
		}
		q := pl.Apply(p)
		if !pl.OK() {
			if string(q) != string(before) || !pl.PTB {
				t.Fatalf("refused (%v), yet changed or without Packet Too Big", pl.Refusal)
			}
			return
		}
		s := r.Scan(q)
		switch {
		case len(q) != int(mtu) || q.TotalLen() != int(mtu):
			t.Fatalf("%d bytes, states %d, for a link of %d", len(q), q.TotalLen(), mtu)
		case !s.Marked() || s.Fault != truncate.NoFault || s.Eligible != 0:
			t.Fatalf("cut packet reads as %+v", s)
		case before.Checksum(ip6.Limits{}) == ip6.ChecksumGood && q.Checksum(ip6.Limits{}) != ip6.ChecksumGood:
			t.Fatalf("checksum was good, is %v (%v)", q.Checksum(ip6.Limits{}), pl.Repair)
		}
		if pl.Repair == truncate.Unrepaired && t0 {
			t.Fatal("T0 cut without repair")
		}
		dec := destination(t, r.Revision, always{}).Receive(epoch, q, ip6.Arrival{})
		if !dec.Truncated || dec.MTU != int(mtu) {
			t.Fatalf("destination: %+v", dec)
		}
	})
}

func FuzzDestination(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, head []byte, n, _ uint16, t0 bool) {
		p, ok := whole(head, n)
		if !ok {
			return
		}
		before := ip6test.Clone(p)
		dec := destination(t, revision(t0).Revision, always{}).Receive(epoch, p, ip6.Arrival{})
		a, err := dec.AppendAnswer(nil, p)
		if err != nil {
			t.Fatal(err)
		}
		if string(p) != string(before) {
			t.Fatal("deciding changed the packet")
		}
		switch dec.Answer {
		case truncate.NoAnswer:
			if a != nil {
				t.Fatalf("answer of %d bytes", len(a))
			}
		case truncate.PacketTooBig:
			if len(a) > len(p) || dec.MTU < ip6.MinMTU || dec.Deliver && !t0 {
				t.Fatalf("answer of %d bytes about %d: %+v", len(a), len(p), dec)
			}
		case truncate.ParameterProblem:
			if dec.Deliver || dec.Pointer < ip6.HeaderLen || dec.Pointer >= len(p) {
				t.Fatalf("%+v", dec)
			}
		}
		good := p.Checksum(ip6.Limits{}) == ip6.ChecksumGood
		if q := dec.Packet(p); q != nil && (q.TotalLen() != len(q) || good && q.Checksum(ip6.Limits{}) == ip6.ChecksumBad) {
			t.Fatalf("delivers %d bytes, states %d, checksum %v", len(q), q.TotalLen(), q.Checksum(ip6.Limits{}))
		}
	})
}

func FuzzSource(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, head []byte, n, size uint16, t0 bool) {
		p, ok := whole(head, n)
		if !ok {
			return
		}
		s := truncate.Source{Reader: revision(t0)}
		was := p.Checksum(ip6.Limits{})
		check := func(out []byte, why truncate.NoMark) {
			if why != truncate.Marked {
				return
			}
			q, err := ip6.Parse(out)
			if err != nil || len(q) != len(out) || len(q) < ip6.MinMTU || len(q) > 1500 {
				t.Fatalf("%v, %d of %d bytes", err, len(q), len(out))
			}
			if sc := s.Scan(q); sc.Fault != truncate.NoFault || !sc.Any() {
				t.Fatalf("%+v", sc)
			}
			if was == ip6.ChecksumGood && q.Checksum(ip6.Limits{Chain: 2000, Headers: 9}) != ip6.ChecksumGood {
				t.Fatalf("checksum is %v", q.Checksum(ip6.Limits{}))
			}
		}
		check(s.AppendMarked(nil, p, 1500))
		check(s.AppendTrial(nil, p, 1500))
		check(s.AppendEnhanced(nil, p, int(size), 1500))
	})
}

func FuzzNotice(f *testing.F) {
	for _, p := range []ip6.Packet{udp(1400, do(opt(tr))), udp(9000, do(opt(el))), udp(1400, do(opt(en, 0, 10, 0x80)))} {
		for _, from := range []ip6.Packet{icmpError(f, router, 2, 0, 1400, p), icmpError(f, ip6test.Dst, 2, 0, 1400, p), icmpError(f, ip6test.Dst, 4, 2, 42, p)} {
			f.Add([]byte(from[:130]), uint16(9000), false)
			f.Add([]byte(from[:130]), uint16(1400), true)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, current uint16, t0 bool) {
		p, err := ip6.ParseQuote(b)
		if err != nil {
			return
		}
		p = p.Cut(len(p))
		p.SetChecksum(ip6.Limits{})
		s := truncate.Source{Reader: revision(t0)}
		n, why := s.CheckMessage(p.Src(), p.Dst(), p[ip6.HeaderLen:], int(current), mine)
		if n.MTU != 0 && (n.MTU < ip6.MinMTU || n.MTU >= int(current) || why != truncate.Accepted) {
			t.Fatalf("%+v %v with %d in use", n, why, current)
		}
		if why != truncate.Accepted && why != truncate.NotSmaller {
			return
		}
		if n.Quote.Src() != p.Dst() || n.Origin == truncate.FromDestination && n.Quote.Dst() != p.Src() {
			t.Fatalf("%+v from %v to %v", n, p.Src(), p.Dst())
		}
		s.Check(p, int(current), mine)
	})
}
