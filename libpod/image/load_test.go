package image_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/manager-project/manager/internal/testenv/evil"
	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/pkg/errdefs"
)

func TestLoadDockerArchive(t *testing.T) {
	svc := newService(t)
	one, two := simple("example.com/one:v1"), simple("two:latest")
	got := load(t, svc, one, two, evil.Image{Layers: one.Layers})
	if len(got) != 3 {
		t.Fatalf("%d images; want 3", len(got))
	}
	if got[0].ID != one.ID() || got[0].Name != "example.com/one:v1" {
		t.Errorf("first image %s %q", got[0].ID, got[0].Name)
	}
	if got[1].Name != "localhost/two:latest" {
		t.Errorf("second image is called %q", got[1].Name)
	}
	if len(got[2].Names) != 0 {
		t.Errorf("third image has names %q", got[2].Names)
	}
	img, err := svc.Resolve(t.Context(), "two")
	if err != nil || img.ID != two.ID() {
		t.Fatalf("two: %v %v", img.ID, err)
	}
	cfg, err := svc.Config(t.Context(), img)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(cfg.Env, []string{"PATH=/bin", "NAME=two:latest"}) || !slices.Equal(cfg.Cmd, []string{"/bin/x"}) {
		t.Errorf("config %+v", cfg)
	}
}

func TestLoadOCI(t *testing.T) {
	svc := newService(t)
	dir := t.TempDir()
	a, b := simple("example.com/a:1"), simple("latest")
	if err := evil.OCILayout(dir, a, b); err != nil {
		t.Fatal(err)
	}
	tarball := filepath.Join(t.TempDir(), "oci.tar")
	if err := evil.TarDir(tarball, dir); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(tarball)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, tarball+".gz", string(evil.Gzip(raw)))
	for _, path := range []string{dir, tarball, tarball + ".gz"} {
		got, err := svc.Load(t.Context(), image.LoadOptions{Path: path})
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if len(got) != 2 || got[0].ID != a.ID() || got[0].Name != a.Name || got[1].ID != b.ID() || len(got[1].Names) != 0 {
			t.Errorf("%s: %+v", path, got)
		}
	}
}

func TestLoadErrors(t *testing.T) {
	svc := newService(t)
	dir := t.TempDir()
	writeFile(t, dir+"/text", "this is no archive, but text that is long enough to look at")
	if err := os.WriteFile(dir+"/rootfs.tar", evil.Layer(evil.File("etc/passwd", "", 0o644)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, class := range map[string]error{
		dir + "/missing":    errdefs.ErrNotFound,
		dir + "/text":       errdefs.ErrCorrupt,
		dir + "/rootfs.tar": errdefs.ErrCorrupt,
		dir:                 errdefs.ErrCorrupt,
	} {
		_, err := svc.Load(t.Context(), image.LoadOptions{Path: path})
		if !errors.Is(err, class) {
			t.Errorf("%s: %v; want %v", path, err, class)
		}
	}
}

func TestResolve(t *testing.T) {
	svc := newService(t)
	imgs := load(t, svc, simple("docker.io/library/hub:latest"), simple("localhost/mine:v2"),
		simple("quay.example/team/aliased:latest"), simple("quay.example/deep/er/tail:latest"))
	byName := func(i int) string { return imgs[i].ID }
	for name, want := range map[string]string{
		"hub": byName(0), "docker.io/hub": byName(0), "docker.io/library/hub:latest": byName(0), "library/hub": byName(0),
		"mine:v2": byName(1), "localhost/mine:v2": byName(1),
		"aliased": byName(2), "tail": byName(3), "er/tail:latest": byName(3),
		imgs[0].ID: byName(0), "sha256:" + imgs[1].ID: byName(1), imgs[2].ID[:12]: byName(2),
		"docker.io/library/hub@" + imgs[0].Digest.String(): byName(0), "hub@" + imgs[0].Digest.String(): byName(0),
		"hub:latest@" + imgs[0].Digest.String(): byName(0),
	} {
		img, err := svc.Resolve(t.Context(), name)
		if err != nil || img.ID != want {
			t.Errorf("%s: %q, %v; want %s", name, img.ID, err, want)
		}
	}
	for name, class := range map[string]error{
		"mine": errdefs.ErrNotFound, "hub:other": errdefs.ErrNotFound, "ub": errdefs.ErrNotFound,
		"mine@" + imgs[0].Digest.String(): errdefs.ErrNotFound,
		"UPPER":                           errdefs.ErrInvalid, "": errdefs.ErrInvalid, "a b": errdefs.ErrInvalid, "-x": errdefs.ErrInvalid,
	} {
		if _, err := svc.Resolve(t.Context(), name); !errors.Is(err, class) {
			t.Errorf("%q: %v; want %v", name, err, class)
		}
	}
}
