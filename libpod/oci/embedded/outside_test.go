package embedded

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/manager-project/manager/pkg/errdefs"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// TestJoinClass puts a process into a class of a directory that stands for resctrl.
func TestJoinClass(t *testing.T) {
	root := t.TempDir()
	tasks := filepath.Join(root, "gold/tasks")
	for _, err := range []error{
		os.Mkdir(filepath.Join(root, "gold"), 0o755), os.WriteFile(tasks, nil, 0o600),
		os.WriteFile(filepath.Join(root, "gold/schemata"), []byte("L3:0=f\n"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := joinClass(root, "box", &specs.LinuxIntelRdt{ClosID: "gold"}, 77); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(tasks); err != nil || string(b) != "77\n" {
		t.Errorf("tasks %q, %v", b, err)
	}
	for want, list := range map[error][]specs.LinuxIntelRdt{
		errdefs.ErrNotFound:    {{ClosID: "silver"}},
		errdefs.ErrUnsupported: {{}, {ClosID: "gold", EnableMonitoring: true}, {ClosID: "new", L3CacheSchema: "L3:0=1"}},
	} {
		for _, r := range list {
			if err := joinClass(root, "box", &r, 77); !errors.Is(err, want) {
				t.Errorf("%+v: %v, want %v", r, err, want)
			}
		}
	}
	if list, err := os.ReadDir(root); err != nil || len(list) != 1 {
		t.Errorf("left: %v, %v", list, err)
	}
}
