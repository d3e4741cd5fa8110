package plpmtud

import (
	_ "embed"
	"strings"
	"sync"
)

//go:embed prior.txt
var builtinText string

// builtin is BuiltinPrior's; the text is checked by a test.
var builtin = sync.OnceValue(func() *Prior {
	p, err := ParsePrior(strings.NewReader(builtinText))
	if err != nil {
		panic("plpmtud: the built-in prior: " + err.Error())
	}
	return p
})

// BuiltinPrior returns the prior that Optimal uses. It is judgement, not
// measurement; OptimalFor takes a measured one.
func BuiltinPrior() *Prior { return builtin() }
