package surveyor

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// FileSum names a file that was read, and its content.
type FileSum struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256,omitempty"` // "": a stream
}

// Plan is everything that decides the order of a survey and its results, apart
// from the network. Two runs with the same Plan are the same survey.
type Plan struct {
	Seed    uint64   `json:"seed"`
	Shard   uint64   `json:"shard"`
	Shards  uint64   `json:"shards"`
	Batch   int      `json:"batch_entries"`
	Targets []string `json:"targets,omitempty"` // given as arguments
	Lab     bool     `json:"lab,omitempty"`
	V4      bool     `json:"ipv4"`
	V6      bool     `json:"ipv6"`
	Methods []string `json:"methods"`
	Port    uint16   `json:"port"`
	Max     int      `json:"max,omitempty"`
	Tries   int      `json:"tries"`
	Fails   int      `json:"fails"`
	Budget  int      `json:"budget"`
	Allow   []string `json:"allow_sha256,omitempty"`
	Block   []string `json:"block_sha256,omitempty"`
	Prior   string   `json:"prior_sha256,omitempty"` // "": the built-in one
}

// Hash returns the Plan's hash as text.
func (p Plan) Hash() string {
	b, err := json.Marshal(p)
	if err != nil {
		panic("surveyor: BUG: " + err.Error()) // plain data
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// Meta is the record of a run: everything that is needed to run it again, and
// what it did.
type Meta struct {
	Schema int      `json:"schema"` // of the results
	Tool   string   `json:"tool"`
	Run    string   `json:"run"`
	Args   []string `json:"args"`
	Plan   Plan     `json:"plan"`
	Hash   string   `json:"plan_sha256"`

	Inputs  []FileSum `json:"inputs,omitempty"`
	Allow   []FileSum `json:"allow,omitempty"`
	Block   []FileSum `json:"block,omitempty"`
	Origins []FileSum `json:"origins,omitempty"`
	Prior   []FileSum `json:"prior,omitempty"`
	// List is the hash of the last batch's addresses, in the order of their
	// numbers, whatever way they were listed.
	List string `json:"list_sha256,omitempty"`

	Attribution string   `json:"attribution,omitempty"`
	Total       any      `json:"rate_total"`
	PerNet      any      `json:"rate_per_network"`
	PerAS       any      `json:"rate_per_as"`
	Timeout     Duration `json:"timeout"`
	Cooldown    Duration `json:"cooldown"`
	Gap         Duration `json:"gap"`
	Calm        Duration `json:"calm"`
	Window      int      `json:"window"`

	Host   string      `json:"host"`
	Kernel string      `json:"kernel"`
	Go     string      `json:"go"`
	Links  []MetaLink  `json:"links"`
	Start  time.Time   `json:"start"`
	End    *time.Time  `json:"end,omitempty"` // of a run that ended by itself
	Status *Status     `json:"status,omitempty"`
	Starts []time.Time `json:"resumed,omitempty"` // when the run went on after an interruption
	Error  string      `json:"error,omitempty"`
}

// MetaLink is the link that packets of a family leave by.
type MetaLink struct {
	Family    int    `json:"family"`
	Interface string `json:"interface"`
	Source    string `json:"source"`
	MTU       int    `json:"mtu"`
}

// Duration is a time.Duration that is written as text.
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// Write writes the record to a file, all of it or nothing.
func (m *Meta) Write(name string) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return WriteFile(name, append(b, '\n'))
}

// mostMeta bounds the file of a Meta. Bytes.
const mostMeta = 16 << 20

// ReadMeta reads the record of a run.
func ReadMeta(name string) (*Meta, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, mostMeta+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	m, err := decodeMeta(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

func decodeMeta(b []byte) (*Meta, error) {
	if len(b) > mostMeta {
		return nil, fmt.Errorf("no record of a run: longer than %d bytes", mostMeta)
	}
	m := new(Meta)
	if err := json.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("no record of a run: %w", err)
	}
	return m, nil
}

// SumFile hashes a file.
func SumFile(name string) (FileSum, error) {
	f, err := os.Open(name)
	if err != nil {
		return FileSum{}, err
	}
	h := sha256.New()
	_, err = io.Copy(h, f)
	return FileSum{name, hex.EncodeToString(h.Sum(nil))}, errors.Join(err, f.Close())
}
