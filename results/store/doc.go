// Package store keeps records in files: as JSON Lines, CSV, Parquet, and
// observations in the model of the Path Transparency Observatory (PTO); all but
// Parquet also compressed with gzip or zstd. It reads them back whatever their
// names, and merges files, so that each target has exactly one record, in
// bounded memory.
package store
