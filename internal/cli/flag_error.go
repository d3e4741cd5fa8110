package cli

import (
	"errors"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// flagError says in plain words which flag has which value that it can't have.
func flagError(err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return usageError{err}
	}
	kind, want := invalid.GetFlag().Value.Type(), ""
	switch {
	case errors.Is(err, strconv.ErrRange):
		want = "a smaller number"
	case strings.HasPrefix(kind, "int"), strings.HasPrefix(kind, "uint"):
		want = "a whole number"
	case strings.HasPrefix(kind, "float"):
		want = "a number"
	case kind == "duration":
		want = "a duration, as in 500ms or 2s"
	case kind == "bool":
		want = "true or false"
	default:
		return usagef("--%s %q: %w", invalid.GetFlag().Name, invalid.GetValue(), invalid.Unwrap())
	}
	return usagef("--%s %q: want %s", invalid.GetFlag().Name, invalid.GetValue(), want)
}
