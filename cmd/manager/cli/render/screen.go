package render

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"golang.org/x/term"
)

// Screen shows texts on a terminal, each in the place of the one before. A text is written at once, over
// the old one, and what is left of that is erased afterwards: so nothing flickers.
type Screen struct {
	out   *os.File
	begun bool
}

// OpenScreen returns the terminal that out is, or nil if it is none.
func OpenScreen(out io.Writer) *Screen {
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return &Screen{out: f}
}

// Show puts a text in the place of the last. What does not fit is left out: a line that breaks, or a screen that
// moves up, would put the next text elsewhere.
func (s *Screen) Show(text []byte) error {
	width, height, err := term.GetSize(int(s.out.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		width, height = 80, 24
	}
	frame := fit(text, width, height)
	if !s.begun {
		s.begun = true
		frame = append([]byte("\x1b[2J"), frame...)
	}
	_, err = s.out.Write(frame)
	return err
}

// fit makes the bytes that show a text on a terminal of that size.
func fit(text []byte, width, height int) []byte {
	lines := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	// The cursor stands in the line below the text.
	if room := height - 1; len(lines) > room && room > 0 {
		more := len(lines) - room + 1
		lines = append(lines[:room-1:room-1], []byte(fmt.Sprintf("... and %d more", more)))
	}
	frame := []byte("\x1b[H")
	for _, line := range lines {
		frame = append(frame, cutLine(line, width)...)
		frame = append(frame, "\x1b[K\n"...)
	}
	return append(frame, "\x1b[J"...)
}

// cutLine is the beginning of a line that has room in so many columns.
func cutLine(line []byte, width int) []byte {
	for i, n := 0, 0; i < len(line); n++ {
		if n == width {
			return line[:i]
		}
		_, size := utf8.DecodeRune(line[i:])
		i += size
	}
	return line
}
