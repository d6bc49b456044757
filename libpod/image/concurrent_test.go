package image_test

import (
	"sync"
	"testing"

	"github.com/manager-project/manager/internal/testenv/registry"
	"github.com/manager-project/manager/libpod/image"
)

// TestConcurrentPulls pulls one image many times at once and leaves no layer behind.
func TestConcurrentPulls(t *testing.T) {
	want := simple("localhost/app:latest")
	reg, name := serve(t, want, registry.Options{})
	svc := newService(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			got, err := svc.Pull(t.Context(), name, image.PullOptions{RemoteOptions: remote(reg), Policy: image.PullAlways})
			if err != nil || got[0].ID != want.ID() {
				t.Errorf("%v %v", got, err)
			}
		})
	}
	wg.Wait()
	if list, err := svc.List(t.Context(), image.ListOptions{All: true}); err != nil || len(list) != 1 {
		t.Errorf("%d images, %v", len(list), err)
	}
	if _, err := svc.Remove(t.Context(), nil, image.RemoveOptions{All: true}); err != nil {
		t.Error(err)
	}
	store, err := svc.Store()
	if err != nil {
		t.Fatal(err)
	}
	if layers, err := store.Layers(); err != nil || len(layers) != 0 {
		t.Errorf("%d layers are left, %v", len(layers), err)
	}
}
