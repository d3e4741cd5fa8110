package plpmtud

// Optimal returns the default search, over the built-in prior.
func Optimal() Search { return PlateauTable }
