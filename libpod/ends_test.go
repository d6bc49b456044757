package libpod

import (
	"context"
	"testing"

	"github.com/manager-project/manager/libpod/state"
	"github.com/manager-project/manager/pkg/monitor"
)

// The code of a start is its own, also when others followed; of a clean-up that was done again the last word counts.
func TestCodeOf(t *testing.T) {
	c := &container{rt: &Runtime{paths: paths{static: t.TempDir()}}, row: &state.Row{ID: "c"}}
	if got := c.codeOf(context.Background(), 1); got != -1 {
		t.Errorf("without a file: %d", got)
	}
	if err := mkdir(c.rt.paths.staticDir("c")); err != nil {
		t.Fatal(err)
	}
	for _, r := range []monitor.ExitRecord{{Generation: 1, Code: 3}, {Generation: 2, Code: -1}, {Generation: 2, Code: 6}, {Generation: 3, Code: 0}} {
		if err := appendEnd(c.rt.endsLog("c"), &end{ID: "c", Record: r}); err != nil {
			t.Fatal(err)
		}
	}
	for generation, want := range map[uint64]int{1: 3, 2: 6, 3: 0, 4: -1} {
		if got := c.codeOf(context.Background(), generation); got != want {
			t.Errorf("start %d ended with %d, want %d", generation, got, want)
		}
	}
}
