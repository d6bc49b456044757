package compile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/specjson"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// MaxSize bounds a config.json and a process.json, in bytes. It leaves room for 5,000 mounts and the
// largest argument list that the kernel takes.
const MaxSize = 16 << 20

// ReadSpec reads a configuration. Errors are of class ErrInvalid and name the file and, where the JSON is of
// the wrong type, the field: "process.rlimits[1].soft: want a number, not a string". A file that is not
// there is os.ErrNotExist.
func ReadSpec(path string) (*specs.Spec, error) {
	spec := &specs.Spec{}
	return spec, readJSON(path, spec)
}

// ReadProcess reads a process as ReadSpec reads a configuration.
func ReadProcess(path string) (*specs.Process, error) {
	p := &specs.Process{}
	return p, readJSON(path, p)
}

// ReadResources reads limits as ReadSpec reads a configuration. A path of "-" is r.
func ReadResources(path string, r io.Reader) (*specs.LinuxResources, error) {
	out := &specs.LinuxResources{}
	if path != "-" {
		return out, readJSON(path, out)
	}
	b, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, err
	}
	return out, decode(b, "standard input", out)
}

func readJSON(path string, into any) error {
	// Neither a FIFO nor a terminal must hold us up.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() {
		return errdefs.New(errdefs.ErrInvalid, "file", path, "is not a regular file")
	}
	// The file may be another size by now; as a rule it is read at once, and its end is seen by the next read.
	b := bytes.NewBuffer(make([]byte, 0, min(st.Size(), MaxSize)+bytes.MinRead))
	if _, err := b.ReadFrom(io.LimitReader(f, MaxSize+1)); err != nil {
		return err
	}
	return decode(b.Bytes(), path, into)
}

// decode is json.Unmarshal with errors for people. Unknown fields are ignored, as the specification asks.
func decode(b []byte, name string, into any) error {
	if len(b) > MaxSize {
		return errdefs.New(errdefs.ErrInvalid, "file", name, "has more than %d bytes", MaxSize)
	}
	var err error
	switch v := into.(type) {
	case *specs.Spec:
		err = specjson.Unmarshal(b, v)
	case *specs.Process:
		err = specjson.UnmarshalProcess(b, v)
	default:
		err = json.Unmarshal(b, into)
	}
	if err == nil {
		return nil
	}
	var typed *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &typed):
		err = fmt.Errorf("%s: want %s, not %s", fieldAt(b, typed.Offset), wanted(typed.Type.Kind().String()), given(typed.Value))
	case errors.As(err, &syntax):
		line, column := position(b, syntax.Offset)
		err = fmt.Errorf("line %d, column %d: %w", line, column, err)
	}
	return errdefs.New(errdefs.ErrInvalid, "file", name, "%w", err)
}

// wanted says in JSON's words what a field takes.
func wanted(kind string) string {
	switch kind {
	case "bool":
		return "true or false"
	case "string":
		return "a string"
	case "slice", "array":
		return "an array"
	case "map", "struct", "ptr":
		return "an object"
	case "uint", "uint8", "uint16", "uint32", "uint64", "uintptr":
		return "a whole number of at least 0 that fits " + kind
	case "int", "int8", "int16", "int32", "int64":
		return "a whole number that fits " + kind
	}
	return "a number"
}

func given(value string) string {
	switch value {
	case "string", "number", "bool":
		return "a " + value
	case "array", "object":
		return "an " + value
	}
	return value // "number 1.5"
}

func position(b []byte, offset int64) (line, column int) {
	b = b[:min(max(int(offset), 0), len(b))]
	return 1 + bytes.Count(b, []byte("\n")), len(b) - bytes.LastIndexByte(b, '\n') - 1
}

// fieldAt is the path of the value that ends at, or contains, the offset: "mounts[3].options".
func fieldAt(b []byte, offset int64) string {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var stack []level
	for {
		t, err := d.Token()
		if err != nil {
			return pathOf(stack)
		}
		delim, isDelim := t.(json.Delim)
		if isDelim && (delim == ']' || delim == '}') {
			stack = stack[:len(stack)-1]
		} else {
			if n := len(stack) - 1; n >= 0 && stack[n].next(t) {
				continue
			}
			if d.InputOffset() >= offset {
				return pathOf(stack)
			}
			if isDelim {
				stack = append(stack, level{array: delim == '[', index: -1})
				continue
			}
		}
		if n := len(stack) - 1; n >= 0 {
			stack[n].hasKey = false
		}
	}
}

// level is an object or array that is open, and where we are in it.
type level struct {
	array, hasKey bool
	key           string
	index         int
}

// next counts an element, or takes a key and says so.
func (l *level) next(t json.Token) bool {
	if l.array {
		l.index++
		return false
	}
	if l.hasKey {
		return false
	}
	l.key, _ = t.(string)
	l.hasKey = true
	return true
}

func pathOf(stack []level) string {
	path := ""
	for _, l := range stack {
		switch {
		case l.array && l.index >= 0:
			path += "[" + strconv.Itoa(l.index) + "]"
		case !l.array && l.key != "":
			if path != "" {
				path += "."
			}
			path += l.key
		}
	}
	if path == "" {
		return "the document"
	}
	return path
}
