package image_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/manager-project/manager/internal/testenv/evil"
	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/pkg/errdefs"
)

// TestBuiltin stores the built-in image on first use and lets a user's own one pass.
func TestBuiltin(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hello.tar")
	want := simple(image.BuiltinName)
	if err := evil.DockerArchive(path, want); err != nil {
		t.Fatal(err)
	}
	calls := 0
	svc := newService(t, func(o *image.OpenOptions) {
		o.Builtin = func() ([]byte, error) { calls++; return os.ReadFile(path) }
	})
	if _, err := svc.Resolve(t.Context(), "hello"); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("resolve stored something: %v", err)
	}
	for range 2 {
		got, err := svc.Pull(t.Context(), "hello", image.PullOptions{})
		if err != nil || len(got) != 1 || got[0].ID != want.ID() {
			t.Fatalf("%v %v", got, err)
		}
	}
	if calls != 1 {
		t.Errorf("the archive was read %d times", calls)
	}
	mine := simple("localhost/mine:1")
	load(t, svc, mine)
	if err := svc.Tag(t.Context(), "mine:1", "hello"); err != nil {
		t.Fatal(err)
	}
	if got, err := svc.Pull(t.Context(), "hello", image.PullOptions{}); err != nil || got[0].ID != mine.ID() {
		t.Errorf("%v %v", got, err)
	}
}
