// Package results defines the record of one measurement, and reads and writes
// records as JSON Lines. SCHEMA.md describes every field.
//
// The schema only grows: a field is never renamed, removed or given another
// meaning; a reader ignores fields that it doesn't know.
package results
