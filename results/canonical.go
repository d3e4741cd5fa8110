package results

import (
	"reflect"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// canonical returns a copy of the record in the one form that every format can
// hold: the time in UTC, cut to microseconds; no empty list other than nil;
// text of valid UTF-8 without control characters (they become U+FFFD). Readers
// and writers apply it, so that a record reads the same from every format.
func (r *Record) canonical() *Record {
	c := *r
	c.Time = c.Time.UTC().Truncate(time.Microsecond)
	c.Worker = clonePointer(c.Worker)
	c.Methods = cloneList(c.Methods)
	c.PTB = cloneList(c.PTB)
	c.Loss = cloneList(c.Loss)
	c.Evidence = cloneList(c.Evidence)
	c.Bottleneck = clonePointer(c.Bottleneck)
	c.HBH = clonePointer(c.HBH)
	c.Truncation = clonePointer(c.Truncation)
	c.MSS = clonePointer(c.MSS)
	cleanText(reflect.ValueOf(&c).Elem())
	return &c
}

// Canonical returns a copy in the form in which records are kept: the time in
// UTC, cut to microseconds; nil for empty lists; text of valid UTF-8 without
// control characters. Every Reader's records have it.
func (r *Record) Canonical() *Record { return r.canonical() }

func cloneList[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return append([]T(nil), list...)
}

func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

// cleanText cleans each string below a value that may be changed.
func cleanText(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if s := v.String(); !isText(s) {
			v.SetString(toText(s))
		}
	case reflect.Pointer:
		if !v.IsNil() && v.Elem().Kind() == reflect.Struct {
			cleanText(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			cleanText(v.Index(i))
		}
	case reflect.Struct:
		if v.Type() == timeType {
			return
		}
		for i := range v.NumField() {
			cleanText(v.Field(i))
		}
	}
}

var timeType = reflect.TypeFor[time.Time]()

func isText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == 0x7f || c >= utf8.RuneSelf {
			return utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
		}
	}
	return true
}

func toText(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return utf8.RuneError
		}
		return c // an invalid byte is RuneError already
	}, s)
}
