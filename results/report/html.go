package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html"
	"html/template"
	"io"
	"regexp"
	"strings"

	"pathmtu/results/analysis"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{"leftward": Leftward}).Parse(pageText))

// sections of the page, with the names of their figures and tables.
var sections = []struct {
	name, title     string
	figures, tables []string
}{
	{"mtu", "Path MTU", []string{"coverage", "sizes"}, []string{"sizes", "quantiles"}},
	{"by-method", "By method", []string{"methods"}, []string{"methods"}},
	{"by-system", "By autonomous system", []string{"systems"}, []string{"systems"}},
	{"verdict", "Verdicts", []string{"verdicts"}, []string{"verdicts"}},
	{"by-vantage", "By vantage point", nil, []string{"agreement", differences}},
	{"honesty", "Packet Too Big", []string{"ptb"}, []string{"ptb"}},
	{"losses", "Loss against size", []string{"loss-fitting", "loss-larger"}, []string{"loss"}},
	{"costs", "Cost", []string{"packets", "bytes"}, []string{"cost"}},
	{"others", "Other signals", nil, []string{"signals"}},
}

type shownFigure struct {
	Alt string
	SVG template.HTML
}

type section struct {
	Name, Title string
	Figures     []shownFigure
	Tables      []Table
}

// HTML writes the report as one page that needs nothing from elsewhere. Notes
// are added to the facts at its top.
func HTML(w io.Writer, s *analysis.Summary, title string, notes []string, rows int) error {
	figures, err := Figures(s, rows)
	if err != nil {
		return err
	}
	tables := Tables(s, rows)
	data := struct {
		Title        string
		Facts, Notes []string
		Sections     []section
	}{Title: title, Facts: Facts(s), Notes: notes}
	for _, k := range sections {
		out := section{Name: k.name, Title: k.title}
		for _, name := range k.figures {
			for _, f := range figures {
				if f.Name != name {
					continue
				}
				svg, err := inline(f)
				if err != nil {
					return err
				}
				out.Figures = append(out.Figures, shownFigure{f.Alt, svg})
			}
		}
		for _, name := range k.tables {
			for _, t := range tables {
				if t.Name == name && len(t.Rows) > 0 {
					out.Tables = append(out.Tables, t)
				}
			}
		}
		if len(out.Figures)+len(out.Tables) > 0 {
			data.Sections = append(data.Sections, out)
		}
	}
	return page.Execute(w, data)
}

// opening matches the opening tag of an SVG picture.
var opening = regexp.MustCompile(`(?s)<svg\b[^>]*\bviewBox="([^"]*)"[^>]*>`)

// inline makes SVG for a page: without a size of its own, with a title and a
// description for those who don't see it, and with a fallback for its font.
func inline(f *Figure) (template.HTML, error) {
	var b bytes.Buffer
	if err := f.SVG(&b); err != nil {
		return "", err
	}
	text := b.String()
	at := opening.FindStringSubmatchIndex(text)
	if at == nil {
		return "", fmt.Errorf("figure %s: no svg element", f.Name)
	}
	head := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="%s" role="img" aria-labelledby="%s-t %s-d"><title id="%s-t">%s</title><desc id="%s-d">%s</desc>`,
		text[at[2]:at[3]], f.Name, f.Name, f.Name, html.EscapeString(f.Title), f.Name, html.EscapeString(f.Alt))
	body := strings.ReplaceAll(text[at[1]:], "font-family:Liberation Sans;", "font-family:'Liberation Sans',Arial,Helvetica,sans-serif;")
	return template.HTML(head + strings.TrimSpace(body)), nil // texts in it are escaped by the library that drew it
}
