package render

import (
	"io"
	"strings"
	"unicode/utf8"
)

// Columns are aligned as Podman's: at least columnWidth wide, columnGap apart.
const (
	columnWidth = 12
	columnGap   = 2
)

// Table writes rows in aligned columns; the last column is not padded.
func Table(w io.Writer, rows [][]string) error { return new(Columns).Write(w, rows) }

// Columns are those of a table that is written more than once: none becomes narrower. The zero value is ready.
type Columns struct{ widths []int }

// Write is Table in columns as wide as they were.
func (c *Columns) Write(w io.Writer, rows [][]string) error {
	widths := c.widths
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, columnWidth)
			}
			if i < len(row)-1 {
				widths[i] = max(widths[i], utf8.RuneCountInString(cell)+columnGap)
			}
		}
	}
	c.widths = widths
	var b strings.Builder
	for _, row := range rows {
		for i, cell := range row {
			b.WriteString(cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)))
			}
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// tabulate aligns text whose cells are separated by tabs.
func tabulate(w io.Writer, text string) error {
	var rows [][]string
	for line := range strings.Lines(text) {
		rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	return Table(w, rows)
}
