package udpopt

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

// FuzzReceive: whatever comes in, nothing panics, everything that is handed out
// lies within the packet, and options that are accepted encode to what they were.
func FuzzReceive(f *testing.F) {
	for _, opts := range [][]byte{nil, AppendREQ(nil, 1), AppendFRAG(nil, Frag{Start: 20, Offset: 8}), {200, 2}, {100, 255, 1, 2}, {0, 0}} {
		p, _ := AppendDatagram(nil, a4, b4, nil, opts, 0)
		f.Add(p, false)
		p, _ = AppendDatagram(nil, a6, b6, []byte("odd"), opts, 0)
		f.Add(p, true)
	}
	f.Fuzz(func(t *testing.T, p []byte, six bool) {
		src, dst := a4.Addr(), b4.Addr()
		if six {
			src, dst = a6.Addr(), b6.Addr()
		}
		// Random bytes never have a good checksum: put both right, where possible.
		if d, err := ParseDatagram(p); err == nil {
			if d.Checksum != 0 {
				binary.BigEndian.PutUint16(p[6:], udpChecksum(src, dst, p[:d.Length]))
			}
			if n := int(d.Length); len(d.Surplus) >= n&1+ocsLen {
				SetOCS(d.Surplus, n)
			}
		}
		r := Receive(src, dst, p)
		if r.Do == Discard {
			return
		}
		if headerLen+len(r.UserData)+len(r.Surplus) != len(p) {
			t.Fatalf("%d bytes of data and %d of surplus in a packet of %d", len(r.UserData), len(r.Surplus), len(p))
		}
		if (r.Do == Legacy || r.Do == Empty) != (r.Err != nil) {
			t.Fatalf("%v with error %v", r.Do, r.Err)
		}
		count, end := 0, r.Options.first
		for o := range r.Options.All() {
			if o.Offset != end || o.Offset+o.Len > len(r.Surplus) {
				t.Fatalf("option at %d of %d bytes in a surplus area of %d, want at %d", o.Offset, o.Len, len(r.Surplus), end)
			}
			if !o.Kind.Safe() {
				t.Fatalf("accepted %v", o.Kind)
			}
			end = o.Offset + o.Len
			if count++; count > len(p) {
				t.Fatal("no end")
			}
		}
		if f, data, ok := r.Options.Fragment(); ok != (r.Do == Fragment) || ok && int(f.Start)+len(data) != len(p) {
			t.Fatalf("%v, fragment %v %+v", r.Do, ok, f)
		}
	})
}

// FuzzReassembler: random fragments of few datagrams keep the limits, and what
// comes out was covered by what went in.
func FuzzReassembler(f *testing.F) {
	f.Add([]byte{0, 0, 8, 4, 0, 0, 0, 12, 4, 1, 0, 16})
	f.Add([]byte{0, 0, 0, 4, 1, 0, 0, 12})
	f.Fuzz(func(t *testing.T, script []byte) {
		r, err := NewReassembler(ReassemblyLimits{Pending: 4, PerPair: 2})
		if err != nil {
			t.Fatal(err)
		}
		now := time.Unix(1, 0)
		sent := map[FragKey]int{}
		data := make([]byte, 255)
		for i := range data {
			data[i] = byte(i)
		}
		for len(script) >= 8 {
			s := script[:8]
			script = script[8:]
			key := FragKey{Src: netip.AddrPortFrom(a4.Addr(), uint16(s[0]&1)), Dst: b4, ID: uint32(s[0] >> 1 & 3)}
			frag := Frag{ID: key.ID, Offset: binary.BigEndian.Uint16(s[1:]) & 0x0fff, Terminal: s[4]&1 == 1, RDOS: binary.BigEndian.Uint16(s[5:]) & 0x0fff}
			now = now.Add(time.Duration(s[7]) * time.Second)
			chunk := data[:s[3]]
			sent[key] += len(chunk)
			out, ok, err := r.Insert(now, key, frag, chunk)
			if ok && err != nil || r.Pending() > 4 {
				t.Fatalf("ok %v, error %v, %d pending", ok, err, r.Pending())
			}
			if ok && len(out.UserData) > sent[key] {
				t.Fatalf("%d bytes out of %d", len(out.UserData), sent[key])
			}
		}
	})
}

// FuzzQuote: a quoted packet is cut off anywhere, and means anything.
func FuzzQuote(f *testing.F) {
	e4, e6 := quote(f, a4, b4, 7), quote(f, a6, b6, 7)
	f.Add(e4)
	f.Add(e6)
	f.Add(e4[:33])
	f.Fuzz(func(t *testing.T, q []byte) {
		if _, _, _, ok := quotedProbe(q); ok && len(q) < 20+headerLen+ocsLen+lenEcho {
			t.Fatalf("found a token in %d bytes", len(q))
		}
	})
}
