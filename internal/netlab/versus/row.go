package versus

// Outcome is how what a tool says compares with the truth.
type Outcome string

// Outcomes.
const (
	Exact Outcome = "exact"
	Range Outcome = "range" // a range that holds the truth
	Wrong Outcome = "wrong"
	None  Outcome = "none" // it says nothing
)

// Row is one run of a tool on a path.
type Row struct {
	Tool   string  `json:"tool"`
	Group  string  `json:"group"`
	Path   string  `json:"path"`
	Family int     `json:"family"`
	Seed   int     `json:"seed"`
	Truth  int     `json:"truth"`
	Router string  `json:"router,omitempty"` // before the narrowest link
	MTU    int     `json:"mtu,omitempty"`    // as the tool says, and so on
	Low    int     `json:"low,omitempty"`
	High   int     `json:"high,omitempty"`
	Said   Outcome `json:"outcome"`
	// Place is exact, wrong or none: whether the tool named the router; "": it
	// doesn't mean to, or there is none.
	Place    Outcome `json:"place,omitempty"`
	Named    string  `json:"named,omitempty"`
	Packets  int     `json:"packets"` // sent to the target
	Bytes    int     `json:"bytes"`   // of these IP packets
	Seconds  float64 `json:"seconds"`
	Exit     int     `json:"exit"`
	TimedOut bool    `json:"timed_out,omitempty"`
	Missed   int     `json:"missed,omitempty"` // packets that the counter missed
}

// judge compares a reading with the truth.
func (row *Row) judge(tool Tool, truth Truth, r Reading) {
	row.MTU, row.Low, row.High, row.Named = r.MTU, r.Low, r.High, r.Router
	switch {
	case r.MTU == truth.MTU:
		row.Said = Exact
	case r.MTU != 0:
		row.Said = Wrong
	case r.High == 0:
		row.Said = None
	case r.Low <= truth.MTU && truth.MTU < r.High:
		row.Said = Range
	default:
		row.Said = Wrong
	}
	switch {
	case !tool.Places || truth.Router == "":
	case r.Router == truth.Router:
		row.Place = Exact
	case r.Router == "" || r.MTU == 0:
		row.Place = None
	default:
		row.Place = Wrong
	}
}
