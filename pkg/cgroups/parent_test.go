package cgroups

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/manager-project/manager/pkg/errdefs"
)

// testParent is a parent that no other test uses.
func testParent(t testing.TB) string {
	t.Helper()
	if os.Geteuid() != 0 || Mode() == Disabled {
		t.Skip("making cgroups needs root and a cgroup file system")
	}
	p := fmt.Sprintf("/manager-test-parent-%d", os.Getpid())
	t.Cleanup(func() { RemoveEmpty(p) })
	return p
}

// TestRemoveEmpty makes and removes cgroups from many sides, each taking the parent away behind it.
func TestRemoveEmpty(t *testing.T) {
	parent := testParent(t)
	var wait sync.WaitGroup
	for worker := range 8 {
		wait.Go(func() {
			for i := range 25 {
				c, err := Create(Config{Path: fmt.Sprintf("%s/%d-%d", parent, worker, i)})
				if err != nil {
					t.Error(err)
					return
				}
				if err := c.Remove(); err != nil {
					t.Error(err)
				}
				RemoveEmpty(parent)
			}
		})
	}
	wait.Wait()
	RemoveEmpty(parent)
	if _, err := Load(parent); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("the parent is still there: %v", err)
	}
}

// A parent in use stays.
func TestRemoveEmptyInUse(t *testing.T) {
	parent := testParent(t)
	c, err := Create(Config{Path: parent + "/child"})
	if err != nil {
		t.Fatal(err)
	}
	RemoveEmpty(parent)
	if _, err := Load(parent + "/child"); err != nil {
		t.Error(err)
	}
	if err := c.Remove(); err != nil {
		t.Error(err)
	}
}

func BenchmarkParentStays(b *testing.B) { benchmarkParent(b, func(string) {}) }
func BenchmarkParentGoes(b *testing.B)  { benchmarkParent(b, RemoveEmpty) }

func benchmarkParent(b *testing.B, tidy func(string)) {
	parent := testParent(b)
	for b.Loop() {
		c, err := Create(Config{Path: parent + "/child"})
		if err != nil {
			b.Fatal(err)
		}
		if err := c.Remove(); err != nil {
			b.Fatal(err)
		}
		tidy(parent)
	}
}
