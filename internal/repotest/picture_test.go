package repotest

import (
	"encoding/xml"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// picture is docs/pictures/architecture.svg.
type picture struct {
	Boxes []struct {
		Packages string `xml:"data-packages,attr"` // folders; the first names the box
		Uses     string `xml:"data-uses,attr"`     // boxes that it uses, in words instead of an arrow
		Open     string `xml:"data-open,attr"`     // "yes": not everything that it uses is shown
		Text     []struct {
			Words string `xml:",chardata"`
		} `xml:"text"`
	} `xml:"g"`
	Arrows []struct {
		From string `xml:"data-from,attr"`
		To   string `xml:"data-to,attr"`
	} `xml:"path"`
}

type edge struct{ from, to string }

// The picture of the architecture shows what the packages import, and nothing
// else.
func TestArchitecturePicture(t *testing.T) {
	text, err := os.ReadFile(root(t) + "/docs/pictures/architecture.svg")
	require.NoError(t, err)
	var p picture
	require.NoError(t, xml.Unmarshal(text, &p))
	require.NotEmpty(t, p.Boxes)

	boxes, open := map[string]string{}, map[string]bool{} // folder -> box; boxes
	shown := map[edge]bool{}
	for _, b := range p.Boxes {
		folders := strings.Fields(b.Packages)
		for _, f := range folders {
			boxes[f] = folders[0]
		}
		open[folders[0]] = b.Open == "yes"
		words := ""
		for _, w := range b.Text {
			words += w.Words + "\n"
		}
		for _, to := range strings.Fields(b.Uses) {
			shown[edge{folders[0], to}] = true
			assert.Contains(t, words, path.Base(to), "the box of %s says it", folders[0])
		}
	}
	for _, a := range p.Arrows {
		if a.From != "" {
			shown[edge{boxes[a.From], boxes[a.To]}] = true
		}
	}
	boxOf := func(dir string) string {
		for ; dir != "."; dir = path.Dir(dir) {
			if b, ok := boxes[dir]; ok {
				return b
			}
		}
		return ""
	}
	imported := map[edge]bool{}
	for _, f := range goFiles(t) {
		if f.test {
			continue
		}
		from := boxOf(f.dir)
		require.NotEmpty(t, from, "no box for %s", f.dir)
		for _, imp := range f.imports {
			if dir, ok := strings.CutPrefix(imp, module+"/"); ok && boxOf(dir) != from {
				imported[edge{from, boxOf(dir)}] = true
			}
		}
	}
	for e := range shown {
		assert.True(t, imported[e], "the picture shows that %s uses %s, which it does not", e.from, e.to)
	}
	for e := range imported {
		assert.True(t, shown[e] || open[e.from] || open[e.to], "%s uses %s, which the picture does not show", e.from, e.to)
	}
}

// The table of rooms names every package.
func TestEveryPackageIsInTheTableOfRooms(t *testing.T) {
	text, err := os.ReadFile(root(t) + "/docs/architecture.md")
	require.NoError(t, err)
	_, table, ok := strings.Cut(string(text), "## Rooms\n")
	require.True(t, ok)
	table, _, _ = strings.Cut(table, "\n## ")
	var rooms []string
	for line := range strings.Lines(table) {
		if cells := strings.Split(line, "|"); len(cells) > 2 {
			for i, quoted := range strings.Split(cells[1], "`") {
				if i%2 == 1 {
					rooms = append(rooms, quoted)
				}
			}
		}
	}
	dirs := map[string]bool{}
	for _, f := range goFiles(t) {
		dirs[f.dir] = true
	}
	for dir := range dirs {
		if below(dir, "docs/examples") {
			dir = "docs/examples"
		}
		dir, _, _ = strings.Cut(dir, "/cmd/") // programs stand with the package that does the work
		assert.Contains(t, rooms, dir, "a room that the table lacks")
	}
	for _, r := range rooms {
		assert.DirExists(t, root(t)+"/"+r)
	}
}
