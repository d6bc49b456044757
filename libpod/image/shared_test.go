package image_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/manager-project/manager/internal/testenv/evil"
	"github.com/manager-project/manager/libpod/image"
)

// TestLoadBesideRemove loads images that share a layer while others of them are removed: the layer that a load has
// found there may be gone when the load would use it.
func TestLoadBesideRemove(t *testing.T) {
	svc := newService(t)
	dir := t.TempDir()
	shared := evil.Layer(evil.File("shared", strings.Repeat("x", 1<<16), 0o644))
	const workers, rounds = 3, 12
	var group sync.WaitGroup
	for worker := range workers {
		name := fmt.Sprintf("localhost/i%d:latest", worker)
		path := filepath.Join(dir, fmt.Sprint(worker, ".tar"))
		own := evil.Layer(evil.File("own", name, 0o644))
		if err := evil.DockerArchive(path, evil.Image{Name: name, Layers: [][]byte{own, shared}}); err != nil {
			t.Fatal(err)
		}
		group.Go(func() {
			for round := range rounds {
				if _, err := svc.Load(t.Context(), image.LoadOptions{Path: path}); err != nil {
					t.Errorf("%s, round %d: %v", name, round, err)
					return
				}
				if _, err := svc.Remove(t.Context(), []string{name}, image.RemoveOptions{}); err != nil {
					t.Errorf("%s, round %d: %v", name, round, err)
					return
				}
			}
		})
	}
	group.Wait()
}
