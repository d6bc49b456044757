package libcontainer

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/manager-project/manager/pkg/errdefs"
)

var statuses = []Status{Creating, Created, Running, Paused, Stopped}

// TestStatusTable wants an answer for each verb in each status, and the answers that the specification and
// engines know.
func TestStatusTable(t *testing.T) {
	allowed := map[verb][]Status{
		verbStart: {Created}, verbSignal: {Creating, Created, Running, Paused}, verbPause: {Created, Running}, verbResume: {Paused},
		verbExec: {Created, Running}, verbUpdate: {Created, Running, Paused}, verbDelete: {Created, Stopped},
		verbStats: {Created, Running, Paused}, verbCheckpoint: {Running, Paused},
	}
	if got := slices.Sorted(maps.Keys(refusals)); !slices.Equal(got, slices.Sorted(maps.Keys(allowed))) {
		t.Fatalf("the table has the verbs %q", got)
	}
	for v, row := range refusals {
		for _, s := range statuses {
			if _, ok := row[s]; !ok {
				t.Errorf("%s in status %s is undecided", v, s)
			}
			err := allow(v, "x", s)
			if want := slices.Contains(allowed[v], s); (err == nil) != want {
				t.Errorf("%s in status %s: %v", v, s, err)
			}
			if err != nil && !errors.Is(err, errdefs.ErrState) {
				t.Errorf("%s in status %s: %v is of another class", v, s, err)
			}
		}
	}
	if err := allow(verbStart, "x", "unheard of"); err == nil {
		t.Error("an unknown status allows start")
	}
}

func TestValidateID(t *testing.T) {
	for id, ok := range map[string]bool{
		"a": true, "0": true, "A-b_c+d.e": true, ".a": true, "..a": true, "-": true, "-a": true,
		"": false, ".": false, "..": false, "a/b": false, "/": false, "a b": false, "a\x00": false, "é": false, "a\n": false, "a:b": false, "~": false,
	} {
		if err := ValidateID(id); (err == nil) != ok {
			t.Errorf("%q: %v", id, err)
		}
	}
}
