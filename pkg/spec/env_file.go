package spec

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxFileLine is the longest line of an env or label file in bytes: what one string of
// an environment may have (MAX_ARG_STRLEN, 32 pages).
const maxFileLine = 128 << 10

// ParseEnvFile reads an env file: one K=V or K (or K*) on each line. Blank lines and
// lines that begin with # are skipped; leading white space is dropped; the value is
// verbatim, quotes included. Errors name the line, from 1.
func ParseEnvFile(data []byte) ([]string, error) {
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("not UTF-8 text")
	}
	text := strings.TrimPrefix(string(data), "\ufeff")
	var out []string
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimLeftFunc(strings.TrimSuffix(line, "\r"), unicode.IsSpace)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, _, assigned := strings.Cut(line, "=")
		if !assigned {
			line = strings.TrimRightFunc(line, unicode.IsSpace)
			key = line
		}
		switch {
		case len(line) > maxFileLine:
			return nil, fmt.Errorf("line %d is longer than %d bytes", i+1, maxFileLine)
		case key == "":
			return nil, fmt.Errorf("line %d has no name before '='", i+1)
		case strings.ContainsFunc(key, unicode.IsSpace):
			return nil, fmt.Errorf("line %d: white space in the name %q", i+1, key)
		case strings.IndexByte(line, 0) >= 0:
			return nil, fmt.Errorf("line %d has a NUL byte", i+1)
		}
		out = append(out, line)
	}
	return out, nil
}
