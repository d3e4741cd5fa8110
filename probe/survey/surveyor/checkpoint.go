package surveyor

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"pathmtu/probe/survey"
)

const (
	checkpointVersion = 1
	mostCheckpoint    = 32 << 20 // bytes of a file
)

// Checkpoint says how far a run has come.
type Checkpoint struct {
	Version int    `json:"checkpoint"`
	Run     string `json:"run"`
	Plan    string `json:"plan"`  // hash of everything that decides the order and the results
	Batch   uint64 `json:"batch"` // targets are read in batches; the first is 0
	List    string `json:"list"`  // hash of the batch's targets
	Base    uint64 `json:"base"`  // targets before this one, in the order of the shard, are finished
	// Finished holds, from Base on, a bit for each target that is finished, least
	// significant first, in base 64.
	Finished string `json:"finished"`
	// Offset is the length of the results, in bytes.
	Offset int64 `json:"offset"`
	// Before are the counts of all runs so far.
	Before survey.Counts `json:"counts"`
	Done   bool          `json:"done"`
}

// ErrNoCheckpoint says that a checkpoint file is not one.
var ErrNoCheckpoint = errors.New("not a checkpoint")

// Encode returns the checkpoint as a file.
func (c *Checkpoint) Encode() ([]byte, error) {
	b, err := json.Marshal(c)
	return append(b, '\n'), err
}

// DecodeCheckpoint reads a checkpoint file. It returns ErrNoCheckpoint, or what
// is wrong with which field.
func DecodeCheckpoint(b []byte) (*Checkpoint, error) {
	c := new(Checkpoint)
	if len(b) > mostCheckpoint {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrNoCheckpoint, mostCheckpoint)
	}
	if err := json.Unmarshal(b, c); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoCheckpoint, err)
	}
	if c.Version != checkpointVersion {
		return nil, fmt.Errorf("%w: checkpoint is %d, want %d", ErrNoCheckpoint, c.Version, checkpointVersion)
	}
	if c.Offset < 0 {
		return nil, fmt.Errorf("%w: offset is %d, want 0 or more", ErrNoCheckpoint, c.Offset)
	}
	if _, err := c.words(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Checkpoint) words() ([]uint64, error) {
	b, err := base64.StdEncoding.DecodeString(c.Finished)
	if err != nil || len(b)%8 != 0 {
		return nil, fmt.Errorf("%w: finished is not base 64 of whole words", ErrNoCheckpoint)
	}
	w := make([]uint64, len(b)/8)
	for i := range w {
		w[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return w, nil
}

// progress returns what an Engine goes on from.
func (c *Checkpoint) progress() (*survey.Progress, error) {
	w, err := c.words()
	return &survey.Progress{Base: c.Base, Finished: w}, err
}

func (c *Checkpoint) setProgress(p survey.Progress) {
	b := make([]byte, 0, 8*len(p.Finished))
	for _, w := range p.Finished {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	c.Base, c.Finished = p.Base, base64.StdEncoding.EncodeToString(b)
}

// ReadCheckpoint reads a checkpoint file.
func ReadCheckpoint(name string) (*Checkpoint, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, mostCheckpoint+1))
	if err != nil {
		return nil, err
	}
	c, err := DecodeCheckpoint(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

// WriteFile writes a file so that, whatever happens, either the old content is
// there or the new one.
func WriteFile(name string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	d, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
