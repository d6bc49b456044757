package image_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/testenv/evil"
	"github.com/manager-project/manager/libpod/image"
)

// The environment of a child that loads $loadArchive into the store under $loadStore.
const (
	loadStore   = "IMAGE_TEST_STORE"
	loadArchive = "IMAGE_TEST_ARCHIVE"
)

// loadChild is what the killed process does.
func loadChild() int {
	dir := os.Getenv(loadStore)
	svc, err := image.Open(image.OpenOptions{GraphRoot: dir + "/root", RunRoot: dir + "/run", Driver: driver(nil), TempDir: dir})
	if err != nil {
		return 1
	}
	if _, err := svc.Load(context.Background(), image.LoadOptions{Path: os.Getenv(loadArchive)}); err != nil {
		return 1
	}
	return 0
}

// TestKilledLoad kills a load at many moments. Each time the store must open, hold the
// image whole or not at all, and take it on the next try; in the end nothing is left over.
func TestKilledLoad(t *testing.T) {
	long(t)
	dir := t.TempDir()
	archive := filepath.Join(t.TempDir(), "x.tar")
	img := evil.Tree()
	if err := evil.DockerArchive(archive, img); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	open := func() *image.Service {
		return newService(t, func(o *image.OpenOptions) { o.GraphRoot, o.RunRoot = dir+"/root", dir+"/run" })
	}
	// The first opening of a fresh store probes what overlay can do, with mounts that a kill
	// leaves behind; the result is kept, so that later openings do not.
	if _, err := open().Store(); err != nil {
		t.Fatal(err)
	}
	killed := 0
	for delay := 20 * time.Millisecond; delay < 6*time.Second; delay = delay * 2 {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), loadStore+"="+dir, loadArchive+"="+archive)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(delay, func() { _ = cmd.Process.Kill() })
		if cmd.Wait() != nil {
			killed++
		}
		timer.Stop()
		svc := open()
		if got, err := svc.Resolve(t.Context(), img.Name); err == nil {
			if _, err := svc.Inspect(t.Context(), got.ID); err != nil {
				t.Errorf("after %v: %v", delay, err)
			}
			break
		}
		if _, err := svc.List(t.Context(), image.ListOptions{All: true}); err != nil {
			t.Errorf("after %v: %v", delay, err)
		}
	}
	if killed == 0 {
		t.Error("no load was killed in time")
	}
	svc := open()
	got, err := svc.Load(t.Context(), image.LoadOptions{Path: archive})
	if err != nil || got[0].ID != img.ID() {
		t.Fatalf("%v %v", got, err)
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
