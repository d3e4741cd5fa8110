// Package report shows a summary of records to people: as text, as figures in
// SVG and PNG, and as one HTML page.
package report
