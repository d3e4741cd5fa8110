package results

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"net/netip"
	"strings"
)

// Interrupted is the fixed text of Record.Error when a measurement was ended
// from outside: it says nothing about the target.
const Interrupted = "interrupted"

// Final says whether the record is what became of its target, rather than of an
// interruption.
func (r *Record) Final() bool { return r.Verdict != NoVerdict || r.Error != Interrupted }

// Key identifies what was measured: records with the same Key are about the
// same target. Keys compare as text: addresses come first, in their order, then
// names; of one target, family 0 first.
type Key string

// Key returns the record's Key: its target and family. Addresses are the same
// however they are written, names whatever their case.
func (r *Record) Key() Key {
	b := make([]byte, 0, 64)
	if a, err := netip.ParseAddr(r.Target); err == nil {
		a = a.Unmap()
		b = append(b, byte(a.BitLen()/8)) // 4 or 16, less than any letter
		b = append(b, a.AsSlice()...)
		b = append(b, a.Zone()...)
	} else {
		b = append(b, 0xff)
		b = append(b, strings.TrimSuffix(strings.ToLower(r.Target), ".")...)
	}
	return Key(append(b, 0, byte(r.Family)))
}

// VantageKey is Key for those to whom the same target from another vantage
// point is another one.
func (r *Record) VantageKey() Key {
	name := r.Vantage.Name
	if name == "" {
		name = r.Vantage.Source
	}
	k := r.Key()
	last := len(k) - 1
	return k[:last] + Key(name) + "\x00" + k[last:]
}

// Unresolved says whether the Key is of a record without a family, and returns
// what all Keys of the same target begin with.
func (k Key) Unresolved() (prefix Key, unresolved bool) {
	if k == "" {
		return "", false
	}
	return k[:len(k)-1], k[len(k)-1] == 0
}

// Compare says which of two records about the same target counts: the positive
// one of r (1) and o (-1). A final one counts more than one that isn't, then a
// later one; of records of the same time the one whose JSON compares greater, so
// that the choice doesn't depend on the order of files. 0: they are equal.
func (r *Record) Compare(o *Record) int {
	switch {
	case r.Final() != o.Final():
		if r.Final() {
			return 1
		}
		return -1
	case !r.Time.Equal(o.Time):
		return r.Time.Compare(o.Time)
	}
	return bytes.Compare(r.order(), o.order())
}

// order is the record's JSON, preceded by what decides first.
func (r *Record) order() []byte {
	c := r.canonical()
	b, err := json.Marshal(c)
	if err != nil { // a time or number that JSON can't hold, which Validate refuses
		b = []byte(err.Error())
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(c.Schema)), b...)
}
