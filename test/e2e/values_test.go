package e2e

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// jobTable keeps the background jobs of all scripts, by script and name.
type jobTable struct {
	mu   sync.Mutex
	jobs map[*testscript.TestScript]map[string]*job
}

var jobs = jobTable{jobs: map[*testscript.TestScript]map[string]*job{}}

// put remembers a job until its script ends.
func (t *jobTable) put(ts *testscript.TestScript, name string, j *job) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.jobs[ts] == nil {
		t.jobs[ts] = map[string]*job{}
	}
	t.jobs[ts][name] = j
}

// get finds a job of the script.
func (t *jobTable) get(ts *testscript.TestScript, name string) *job {
	t.mu.Lock()
	defer t.mu.Unlock()
	j := t.jobs[ts][name]
	if j == nil {
		ts.Fatalf("there is no job %s", name)
	}
	return j
}

// step is one part of a path: .Name or [number].
var step = regexp.MustCompile(`\.([A-Za-z0-9_/:-]+)|\[(\d+)\]`)

// pick takes the value at a path out of decoded JSON; strings come bare, the rest as JSON.
func pick(value any, path string) (string, error) {
	for _, part := range step.FindAllStringSubmatch(path, -1) {
		switch v := value.(type) {
		case map[string]any:
			found, ok := v[part[1]]
			if !ok {
				return "", fmt.Errorf("%s: there is no %s", path, part[0])
			}
			value = found
		case []any:
			i, err := strconv.Atoi(part[2])
			if err != nil || i >= len(v) {
				return "", fmt.Errorf("%s: there is no %s in a list of %d", path, part[0], len(v))
			}
			value = v[i]
		default:
			return "", fmt.Errorf("%s: %s of %v", path, part[0], v)
		}
	}
	if text, ok := value.(string); ok {
		return text, nil
	}
	text, err := json.Marshal(value)
	return string(text), err
}

func TestPick(t *testing.T) {
	document := []any{map[string]any{"State": map[string]any{"Pid": json.Number("42"), "Status": "running"}, "Names": []any{"a", "b"}}}
	for path, want := range map[string]string{
		"[0].State.Pid": "42", "[0].State.Status": "running", "[0].Names": `["a","b"]`, "[0].Names[1]": "b",
	} {
		if got, err := pick(document, path); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", path, got, err, want)
		}
	}
	for _, path := range []string{"[1]", "[0].Nothing", "[0].State.Pid.x", ".State"} {
		if got, err := pick(document, path); err == nil {
			t.Errorf("%s: got %q, want an error", path, got)
		}
	}
}
