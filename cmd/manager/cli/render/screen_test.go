package render

import (
	"strings"
	"testing"
)

func TestFit(t *testing.T) {
	for _, tc := range []struct {
		name, text    string
		width, height int
		want          string
	}{
		{"room", "a\nbc\n", 10, 5, "\x1b[Ha\x1b[K\nbc\x1b[K\n\x1b[J"},
		{"a long line", "abcdef\n", 3, 5, "\x1b[Habc\x1b[K\n\x1b[J"},
		{"letters of several bytes", "äöüß\n", 2, 5, "\x1b[Häö\x1b[K\n\x1b[J"},
		{"too many lines", "1\n2\n3\n4\n", 20, 4, "\x1b[H1\x1b[K\n2\x1b[K\n... and 2 more\x1b[K\n\x1b[J"},
		{"as many as fit", "1\n2\n3\n", 20, 4, "\x1b[H1\x1b[K\n2\x1b[K\n3\x1b[K\n\x1b[J"},
	} {
		if got := string(fit([]byte(tc.text), tc.width, tc.height)); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// TestScreenOfNone is no terminal: texts are written as they are.
func TestScreenOfNone(t *testing.T) {
	if OpenScreen(new(strings.Builder)) != nil {
		t.Error("a buffer is taken for a terminal")
	}
}

// TestColumnsStay writes a narrower table in columns as wide as before.
func TestColumnsStay(t *testing.T) {
	var c Columns
	var first, second strings.Builder
	if err := c.Write(&first, [][]string{{"a cell of some length", "x"}}); err != nil {
		t.Fatal(err)
	}
	if err := c.Write(&second, [][]string{{"a", "x"}}); err != nil {
		t.Fatal(err)
	}
	if strings.Index(first.String(), "x") != strings.Index(second.String(), "x") {
		t.Errorf("%q, then %q", first.String(), second.String())
	}
}
