package specjson

import (
	"encoding/json"
	"slices"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Marshal gives the bytes that json.Marshal gives.
func Marshal(spec *specs.Spec) ([]byte, error) {
	if spec == nil || elsewhere(spec) {
		return json.Marshal(spec)
	}
	w := writer{b: make([]byte, 0, 8<<10)}
	w.spec(spec)
	return w.b, nil
}

// elsewhere says that a configuration has something for another platform, which nobody waits for.
func elsewhere(s *specs.Spec) bool {
	return s.Solaris != nil || s.Windows != nil || s.VM != nil || s.ZOS != nil || s.FreeBSD != nil
}

// writer writes a document.
type writer struct{ b []byte }

func (w *writer) begin(c byte) { w.b = append(w.b, c) }
func (w *writer) end(c byte)   { w.b = append(w.b, c) }

// field begins an object's next field, whose name needs no escapes.
func (w *writer) field(name string) {
	w.next('{')
	w.b = append(append(append(w.b, '"'), name...), '"', ':')
}

// next goes on to another field or element after the first, which follows the opening bracket.
func (w *writer) next(open byte) {
	if w.b[len(w.b)-1] != open {
		w.b = append(w.b, ',')
	}
}

func (w *writer) null()         { w.b = append(w.b, "null"...) }
func (w *writer) bool(v bool)   { w.b = strconv.AppendBool(w.b, v) }
func (w *writer) int(n int64)   { w.b = strconv.AppendInt(w.b, n, 10) }
func (w *writer) uint(n uint64) { w.b = strconv.AppendUint(w.b, n, 10) }

func (w *writer) string(s string) { w.b = AppendString(w.b, s) }

// AppendString appends what json.Marshal makes of a string.
func AppendString(b []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ', c > '~', c == '"', c == '\\', c == '<', c == '>', c == '&':
			quoted, _ := json.Marshal(s) // of a string it has no errors
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// inOrder are a table's keys as encoding/json writes them.
func inOrder[T any](table map[string]T) []string {
	keys := make([]string, 0, len(table))
	for key := range table {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
