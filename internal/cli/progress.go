package cli

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress shows on a terminal how far something is; elsewhere it does nothing.
type progress struct{ bar *progressbar.ProgressBar } // nil: no terminal

// newProgress begins with nothing of total done; -1: nobody knows the total.
func newProgress(w io.Writer, doing string, total int) progress {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return progress{}
	}
	p := progress{progressbar.NewOptions(total,
		progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(doing),
		progressbar.OptionShowCount(), progressbar.OptionSetWidth(30),
		progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100*time.Millisecond))}
	p.show()
	return p
}

// Errors of the terminal that the bar is drawn on are nobody's concern.

// add says that one more is done.
func (p progress) add() {
	if p.bar != nil {
		_ = p.bar.Add(1)
	}
}

// set says how many of how many are done, and what is being done.
func (p progress) set(done, total uint64, doing string) {
	if p.bar != nil {
		p.bar.ChangeMax64(int64(max(total, 1)))
		p.bar.Describe(doing)
		_ = p.bar.Set64(int64(done))
	}
}

// describe says what is being done.
func (p progress) describe(doing string) {
	if p.bar != nil {
		p.bar.Describe(doing)
	}
}

// hide makes room for something else to be printed.
func (p progress) hide() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

// show draws the bar again.
func (p progress) show() {
	if p.bar != nil {
		_ = p.bar.RenderBlank()
	}
}

// close removes the bar.
func (p progress) close() {
	if p.bar != nil {
		_ = p.bar.Finish()
		_ = p.bar.Clear()
	}
}
