package cli

import (
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"pathmtu/truncate"
)

// truncationOptions are the flags that say which text of packet truncation is
// spoken, and with which option types.
type truncationOptions struct {
	revision string
	codes    []string
}

func (o *truncationOptions) add(f *pflag.FlagSet) {
	f.StringVar(&o.revision, "truncate", "T1", "revision of packet truncation: T0 or T1")
	f.StringSliceVar(&o.codes, "truncate-codes", nil, "option types Eligible,Truncated,Enhanced (default 0x1e,0x9e,0xbe)")
}

// reader checks the flags.
func (o truncationOptions) reader() (r truncate.Reader, err error) {
	switch o.revision {
	case "T0":
		r.Revision = truncate.T0
	case "T1":
	default:
		return r, usagef("truncate %q: want T0 or T1", o.revision)
	}
	r.Codes = truncate.DefaultCodes
	if len(o.codes) > 0 {
		if len(o.codes) != 3 {
			return r, usagef("truncate-codes %v: want three option types", o.codes)
		}
		for i, to := range []*uint8{&r.Codes.Eligible, &r.Codes.Truncated, &r.Codes.Enhanced} {
			n, err := strconv.ParseUint(strings.TrimSpace(o.codes[i]), 0, 8)
			if err != nil {
				return r, usagef("truncate-codes %q: want 0 to 255", o.codes[i])
			}
			*to = uint8(n)
		}
	}
	if err := r.Codes.Validate(); err != nil {
		return r, usageError{err}
	}
	return r, nil
}
