package surveyor

import "pathmtu/probe/survey"

// Status says how far a run is.
type Status struct {
	survey.Counts
	Batch   uint64 // number of the batch that is being measured
	Skipped uint64 // targets that may not be probed
}
