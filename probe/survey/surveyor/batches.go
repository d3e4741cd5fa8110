package surveyor

import (
	"encoding/hex"
	"errors"
	"io"

	"pathmtu/probe/survey"
)

// Input is one source of targets.
type Input struct {
	Name string
	R    io.Reader
}

// Batches reads targets, some at a time, so that a list of any length takes
// bounded memory. Targets are merged within a batch. It isn't safe for
// concurrent use.
type Batches struct {
	inputs []Input
	lines  *survey.LineReader
	args   *survey.List
	pick   survey.Selection
	max    int

	n       uint64 // batches that were read
	Blocked uint64 // targets that may not be probed
	Targets uint64 // those that may
}

// NewBatches reads from args first, then from the inputs, at most max entries
// (lines with an address or prefix) at a time.
func NewBatches(args *survey.List, inputs []Input, pick survey.Selection, max int) *Batches {
	return &Batches{args: args, inputs: inputs, pick: pick, max: max}
}

// Next returns the next batch, or io.EOF. A batch may be empty.
func (b *Batches) Next() (*survey.Set, error) {
	l := b.args
	b.args = nil
	if l == nil {
		l = &survey.List{}
	}
	for l.Len() < b.max && len(b.inputs) > 0 {
		if b.lines == nil {
			b.lines = survey.NewLineReader(b.inputs[0].R)
		}
		err := l.Read(b.inputs[0].Name, b.lines, b.max-l.Len())
		if errors.Is(err, io.EOF) {
			b.inputs, b.lines = b.inputs[1:], nil
			continue
		}
		if err != nil {
			return nil, err
		}
	}
	if l.Len() == 0 {
		return nil, io.EOF
	}
	set, blocked, err := b.pick.Select(l)
	if err != nil {
		return nil, err
	}
	b.n++
	b.Blocked += blocked
	b.Targets += set.Len()
	return set, nil
}

// hashOf returns a batch's hash as text.
func hashOf(s *survey.Set) string {
	h := s.Hash()
	return hex.EncodeToString(h[:])
}
