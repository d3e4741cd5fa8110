package main

import (
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTextsAreNotTakenForMarkdown(t *testing.T) {
	for _, text := range []string{
		"several *of* them and _more_ of `these`",
		"from <host> to [::1]:7 and [a](b)",
		"at least\n- one\n+ two\n: three",
		`a \backslash, ~~two tildes~~ &amp; a | bar`,
		"Kinds:\n  one   *first* kind\n        [goes] on\n  two   second\n\nand after.",
		"Kinds:\n\tone <first>",
	} {
		cmd := &cobra.Command{Use: "x", Short: "Do it", Long: text, Run: func(*cobra.Command, []string) {}}
		prepare(cmd)
		var page strings.Builder
		date := time.Unix(0, 0)
		require.NoError(t, doc.GenMan(cmd, &doc.GenManHeader{Date: &date, Source: "x"}, &page))
		assert.Contains(t, words(page.String()), strings.Join(strings.Fields(text), " "))
	}
}

func TestIndentedLinesKeepTheirShape(t *testing.T) {
	assert.Equal(t, "Kinds:\n\n```\n  a   *b*\n      c\n\n```\n\nand \\*after\\*", markdown("Kinds:\n  a   *b*\n      c\n\nand *after*\n"))
}
