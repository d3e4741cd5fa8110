package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"pathmtu/plpmtud"
	"pathmtu/probe/survey"
)

// Anywhere is the vantage of a survey that measures each target once, from
// whichever vantage point.
const Anywhere = "any"

// Bounds of a Plan.
const (
	MostShard    = 1 << 16         // targets
	MostVantages = 64              //
	LeastLease   = 2 * time.Second // a minute is usual
	MostLease    = 10 * time.Minute
	mostPlan     = 1 << 20 // bytes of JSON, a prior included
)

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

// Plan is all that a worker must know of a survey. Two surveys with the same
// Plan are the same survey.
type Plan struct {
	ID      string   `json:"survey"`
	Tool    string   `json:"tool,omitempty"`
	Seed    uint64   `json:"seed"`
	List    string   `json:"list"` // name of the blob with the targets
	Targets uint64   `json:"targets"`
	Shard   uint64   `json:"shard"`    // targets in a shard
	Places  []string `json:"vantages"` // each measures every target; or Anywhere alone
	Lease   Duration `json:"lease"`
	// Workers is how many workers are expected: nobody takes a larger share of
	// the rates than one of so many.
	Workers int  `json:"workers"`
	Lab     bool `json:"lab,omitempty"`

	Attribution string   `json:"attribution,omitempty"`
	Methods     []string `json:"methods"`
	Port        uint16   `json:"port,omitempty"`
	Max         int      `json:"max,omitempty"`
	Tries       int      `json:"tries,omitempty"`
	Fails       int      `json:"fails,omitempty"`
	Budget      int      `json:"budget,omitempty"`
	Window      int      `json:"window,omitempty"`
	Timeout     Duration `json:"timeout,omitempty"`
	Cooldown    Duration `json:"cooldown,omitempty"`
	Gap         Duration `json:"gap,omitempty"`

	// Bounds for all workers together.
	Total  survey.Rates `json:"rate_total"`
	PerNet survey.Rates `json:"rate_per_network"`
	PerAS  survey.Rates `json:"rate_per_as"`

	Prior   string `json:"prior,omitempty"`   // its text
	Origins string `json:"origins,omitempty"` // name of the blob with them
}

// Hash returns the hash of everything but the plan's name, as text.
func (p Plan) Hash() string {
	p.ID, p.Tool = "", ""
	b, err := json.Marshal(p)
	if err != nil {
		panic("fleet: BUG: " + err.Error()) // plain data
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// PlanError reports a field of a Plan that is out of range.
type PlanError struct {
	Field string
	Value any
	Want  string
}

func (e *PlanError) Error() string {
	return fmt.Sprintf("fleet: %s is %v, want %s", e.Field, e.Value, e.Want)
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,40}$`)

// CheckName refuses a name of a survey, a vantage or a worker that the parts of
// a fleet can't carry.
func CheckName(field, name string) error {
	if !nameForm.MatchString(name) {
		return &PlanError{field, strconv.Quote(name), "1 to 40 letters, digits, - and _"}
	}
	return nil
}

// Validate returns a *PlanError for the first field that is out of range.
func (p *Plan) Validate() error {
	if err := CheckName("survey", p.ID); err != nil {
		return err
	}
	if len(p.Places) < 1 || len(p.Places) > MostVantages {
		return &PlanError{"vantages", len(p.Places), fmt.Sprintf("1 to %d of them", MostVantages)}
	}
	for i, v := range p.Places {
		if err := CheckName("vantage", v); err != nil {
			return err
		}
		if slices.Contains(p.Places[:i], v) || v == Anywhere && len(p.Places) > 1 {
			return &PlanError{"vantages", strings.Join(p.Places, ","), "different ones, or any alone"}
		}
	}
	for _, f := range []struct {
		name          string
		value, lo, hi uint64
	}{
		{"targets", p.Targets, 1, survey.MostTargets},
		{"shard", p.Shard, 1, MostShard},
		{"workers", uint64(max(p.Workers, 0)), 1, 1000},
		{"lease", uint64(max(p.Lease, 0)), uint64(LeastLease), uint64(MostLease)},
	} {
		if f.value < f.lo || f.value > f.hi {
			return &PlanError{f.name, f.value, fmt.Sprintf("%d to %d", f.lo, f.hi)}
		}
	}
	_, err := p.config(1)
	return err
}

// DecodePlan reads and checks a plan.
func DecodePlan(b []byte) (*Plan, error) {
	if len(b) > mostPlan {
		return nil, &PlanError{"plan", fmt.Sprintf("%d bytes", len(b)), fmt.Sprintf("at most %d", mostPlan)}
	}
	p := new(Plan)
	if err := json.Unmarshal(b, p); err != nil {
		return nil, fmt.Errorf("fleet: plan: %w", err)
	}
	return p, p.Validate()
}

// config returns what an Engine is told by a worker with some share of the
// rates. The links, and the Origins, are the worker's to add.
func (p *Plan) config(share float64) (survey.Config, error) {
	c := survey.Config{
		Attribution: p.Attribution, Port: p.Port, Max: p.Max,
		Tries: p.Tries, Fails: p.Fails, Budget: p.Budget, Window: p.Window,
		Timeout: time.Duration(p.Timeout), Cooldown: time.Duration(p.Cooldown), Gap: time.Duration(p.Gap),
		Total: scale(p.Total, share), PerNet: scale(p.PerNet, share), PerAS: scale(p.PerAS, share),
		Seed: p.Seed,
	}
	if len(p.Attribution) > survey.MostAttribution {
		return c, &PlanError{"attribution", fmt.Sprintf("%d bytes", len(p.Attribution)), fmt.Sprintf("at most %d", survey.MostAttribution)}
	}
	for _, name := range p.Methods {
		k, err := survey.ParseKind(name)
		if err != nil {
			return c, &PlanError{"methods", strconv.Quote(name), "icmp, udp, quic or dns"}
		}
		c.Methods = append(c.Methods, k)
	}
	if p.Prior != "" {
		prior, err := plpmtud.ParsePrior(strings.NewReader(p.Prior))
		if err != nil {
			return c, fmt.Errorf("fleet: prior: %w", err)
		}
		c.Prior = prior
	}
	return c, nil
}

func scale(r survey.Rates, share float64) survey.Rates {
	return survey.Rates{Packets: r.Packets * share, Bits: r.Bits * share}
}

// Shards returns how many shards each vantage measures.
func (p *Plan) Shards() uint64 { return (p.Targets + p.Shard - 1) / p.Shard }

// Shard is one lease's worth of work: targets next to one another in the order
// that the seed gives.
type Shard struct {
	Survey  string `json:"survey"`
	Plan    string `json:"plan"` // hash
	Seed    uint64 `json:"seed"`
	Vantage string `json:"vantage"`
	Number  uint64 `json:"shard"`
	Start   uint64 `json:"start"`
	Count   uint64 `json:"count"`
}

// DecodeShard reads a shard as Queues carry it. Whether it is one of its plan's is
// not known yet.
func DecodeShard(b []byte) (Shard, error) {
	var s Shard
	if err := json.Unmarshal(b, &s); err != nil {
		return Shard{}, fmt.Errorf("fleet: shard: %w", err)
	}
	for _, f := range [][2]string{{"survey", s.Survey}, {"vantage", s.Vantage}} {
		if err := CheckName(f[0], f[1]); err != nil {
			return Shard{}, err
		}
	}
	if s.Count < 1 || s.Count > MostShard {
		return Shard{}, &PlanError{"count", s.Count, fmt.Sprintf("1 to %d", MostShard)}
	}
	if s.Start > survey.MostTargets-s.Count || s.Number > s.Start {
		return Shard{}, &PlanError{"start", s.Start, fmt.Sprintf("at least the shard's number, %d, and at most 2^48 with count", s.Number)}
	}
	return s, nil
}

// At returns a shard for a vantage.
func (p *Plan) At(number uint64, vantage string) Shard {
	start := number * p.Shard
	return Shard{Survey: p.ID, Plan: p.Hash(), Seed: p.Seed, Vantage: vantage, Number: number,
		Start: start, Count: min(p.Shard, p.Targets-start)}
}

// check refuses a shard that isn't one of the plan's.
func (p *Plan) check(s Shard) error {
	if s.Number >= p.Shards() || !slices.Contains(p.Places, s.Vantage) || s != p.At(s.Number, s.Vantage) {
		return fmt.Errorf("fleet: shard %d of %s for %s isn't one of the plan", s.Number, s.Survey, s.Vantage)
	}
	return nil
}

func (s Shard) key() string { return fmt.Sprintf("cursor.%s.%s.%d", s.Survey, s.Vantage, s.Number) }

func (p *Plan) leaseTime() time.Duration { return time.Duration(p.Lease) }
