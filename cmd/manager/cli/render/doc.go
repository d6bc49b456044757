// Package render turns results into text: tables, Go templates with Podman's and
// Docker's functions and field names, JSON, sizes and ages in words, progress.
package render
