package main

import "strings"

// markdown makes Markdown of a plain text: lines that are indented stay as they
// are, the others are paragraphs without any marks.
func markdown(text string) string {
	var b strings.Builder
	inside := false // lines that stay as they are
	for line := range strings.Lines(strings.TrimRight(text, "\n") + "\n") {
		switch indented := strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t"); {
		case indented && !inside:
			b.WriteString("\n```\n")
			inside = true
		case !indented && inside && line != "\n":
			b.WriteString("```\n\n")
			inside = false
		}
		if inside {
			b.WriteString(line)
		} else {
			b.WriteString(escape(line))
		}
	}
	if inside {
		b.WriteString("```\n")
	}
	return strings.TrimSpace(b.String())
}

// escape keeps a line from being taken for Markdown.
func escape(line string) string {
	if strings.HasPrefix(line, "#") { // a heading of cobra's texts
		line = strings.TrimLeft(line, "# ")
	}
	var b strings.Builder
	for i, r := range line {
		if strings.ContainsRune("\\`*_[]<>&~|", r) || i == 0 && strings.ContainsRune("+-:", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
