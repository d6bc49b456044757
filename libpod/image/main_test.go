package image_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/manager-project/manager/internal/testenv/evil"
	"github.com/manager-project/manager/libpod/image"
)

// TestMain gives the storage library its turn: it starts this very program to extract layers.
func TestMain(m *testing.M) {
	if image.ReexecInit() {
		return
	}
	if os.Getenv(loadStore) != "" {
		os.Exit(loadChild())
	}
	os.Exit(m.Run())
}

// newService opens a service on an empty store with configuration files of its own.
func newService(t testing.TB, change ...func(*image.OpenOptions)) *image.Service {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("extracting layers needs root")
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "registries.conf")
	writeFile(t, conf, "unqualified-search-registries = [\"docker.io\"]\nshort-name-mode = \"permissive\"\n[aliases]\n\"aliased\" = \"quay.example/team/aliased\"\n")
	opts := image.OpenOptions{
		GraphRoot: filepath.Join(dir, "root"), RunRoot: filepath.Join(dir, "run"),
		Driver: driver(t), RegistriesConf: conf, RegistriesConfDir: filepath.Join(dir, "none"),
		AuthFile: filepath.Join(dir, "auth.json"), TempDir: dir,
	}
	for _, c := range change {
		c(&opts)
	}
	svc, err := image.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		store, err := svc.Store()
		if err == nil {
			if _, err = store.Shutdown(true); err != nil {
				t.Errorf("shutdown: %v", err)
			}
		}
		if err := svc.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return svc
}

// driver is the storage driver under test: $TEST_STORAGE_DRIVER or overlay.
func driver(testing.TB) string {
	if d := os.Getenv("TEST_STORAGE_DRIVER"); d != "" {
		return d
	}
	return "overlay"
}

// simple is a small honest image.
func simple(name string) evil.Image {
	return evil.Image{
		Name:      name,
		Execution: map[string]any{"Cmd": []string{"/bin/x"}, "Env": []string{"PATH=/bin", "NAME=" + name}},
		Layers: [][]byte{
			evil.Layer(evil.Dir("bin", 0o755), evil.File("bin/x", "first", 0o755)),
			evil.Layer(evil.File("etc/motd", "welcome to "+name, 0o644)),
		},
	}
}

// load stores images through a docker archive and fails the test when that does not work.
func load(t testing.TB, svc *image.Service, images ...evil.Image) []image.Image {
	t.Helper()
	path := filepath.Join(t.TempDir(), "images.tar")
	if err := evil.DockerArchive(path, images...); err != nil {
		t.Fatal(err)
	}
	got, err := svc.Load(t.Context(), image.LoadOptions{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// long leaves a test of several seconds to "make test".
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("it takes several seconds: make test runs it")
	}
}
