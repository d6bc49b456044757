package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// stateRules are those of the specification's schema for states, and of the text beside it: what a field is,
// and whether it must be there. Source: OCI runtime-spec, schema/state-schema.json and runtime.md, "State".
var stateRules = map[string]struct {
	required bool
	is       func(any) bool
}{
	"ociVersion": {true, func(v any) bool { s, ok := v.(string); return ok && strings.Count(s, ".") >= 2 }},
	"id":         {true, func(v any) bool { s, ok := v.(string); return ok && s != "" }},
	"status": {true, func(v any) bool {
		s, ok := v.(string)
		return ok && slices.Contains([]string{"creating", "created", "running", "stopped", "paused"}, s) // paused is of the field, not of the schema
	}},
	"pid": {false, func(v any) bool {
		n, ok := v.(json.Number)
		i, err := n.Int64()
		return ok && err == nil && i >= 0
	}},
	"bundle": {true, func(v any) bool { s, ok := v.(string); return ok && filepath.IsAbs(s) }},
	"annotations": {false, func(v any) bool {
		m, ok := v.(map[string]any)
		for _, value := range m {
			_, text := value.(string)
			ok = ok && text
		}
		return ok
	}},
}

// stateFaults are the rules that a state breaks.
func stateFaults(text string) (faults []string, state map[string]any) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&state); err != nil {
		return []string{err.Error()}, nil
	}
	for name, rule := range stateRules {
		v, there := state[name]
		if !there && rule.required || there && !rule.is(v) {
			faults = append(faults, fmt.Sprintf("%s is %v", name, v))
		}
	}
	if s := state["status"]; (s == "created" || s == "running" || s == "paused") && (state["pid"] == nil || state["pid"] == json.Number("0")) {
		faults = append(faults, fmt.Sprintf("no pid, and it is %s", s))
	}
	slices.Sort(faults)
	return faults, state
}

// TestStateSchema holds the state to the schema in all the states that there are.
func TestStateSchema(t *testing.T) {
	o := newRuntime(t)
	look := func(id, status string) {
		t.Helper()
		faults, state := stateFaults(o.Must(t, "state", id))
		if len(faults) > 0 || state["status"] != status || state["id"] != id {
			t.Errorf("want %s: %v, %q", status, state, faults)
		}
	}
	for id, annotations := range map[string]map[string]string{"c": nil, "with": {"org.example.a": "1", "b": ""}} {
		create(t, o, id, sleeper, func(s *specs.Spec) { s.Annotations = annotations })
		look(id, "created")
		o.Must(t, "start", id)
		look(id, "running")
		o.Must(t, "pause", id)
		look(id, "paused")
		o.Must(t, "resume", id)
		o.Must(t, "kill", id, "KILL")
		o.Await(t, id, "stopped")
		look(id, "stopped")
	}
	for text, want := range map[string]int{
		`{"ociVersion": "1.0.2", "id": "c", "status": "stopped", "bundle": "/b"}`:                               0,
		`{"ociVersion": "1.0.2", "id": "c", "status": "running", "bundle": "/b"}`:                               1,
		`{"ociVersion": "1.0.2", "id": "c", "status": "frozen", "bundle": "b", "pid": -1}`:                      3,
		`{"ociVersion": 1, "id": "", "status": "stopped", "bundle": "/b", "pid": 1.5, "annotations": {"a": 1}}`: 4,
		`{}`: 4,
	} {
		if faults, _ := stateFaults(text); len(faults) != want {
			t.Errorf("%s: %q, want %d", text, faults, want)
		}
	}
}
