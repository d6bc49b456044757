package spec

import (
	"errors"
	"strings"
	"testing"

	"github.com/manager-project/manager/pkg/errdefs"
)

// What goes with every line is chosen by key and by expression, in the driver's names, and is bounded.
func TestExtraFields(t *testing.T) {
	labels := map[string]string{"tier": "front", "app.name": "shop", "message": "mine", "9": "x"}
	env := []string{"HOST=a", "LC_X=b=c", "EMPTY="}
	for _, c := range []struct {
		log  Log
		want string
	}{
		{Log{Driver: LogJSONFile}, ""},
		{Log{Driver: LogJSONFile, FromLabels: []string{"tier", "none"}, FromEnv: []string{"HOST", "EMPTY"}}, "EMPTY= HOST=a tier=front"},
		{Log{Driver: LogJSONFile, LabelsRegex: "^app", EnvRegex: "LC"}, "LC_X=b=c app.name=shop"},
		{Log{Driver: LogJournald, LabelsRegex: ".", FromEnv: []string{"HOST"}}, "APP_NAME=shop HOST=a TIER=front"},
	} {
		got, err := c.log.ExtraFields(labels, env)
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%+v: %q, %v", c.log, got, err)
		}
	}
	l := Log{Driver: LogJSONFile, FromEnv: []string{"BIG"}}
	if _, err := l.ExtraFields(nil, []string{"BIG=" + strings.Repeat("x", maxLogLabels)}); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("too much: %v", err)
	}
}
