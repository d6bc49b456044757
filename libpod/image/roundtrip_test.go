package image_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/manager-project/manager/internal/testenv/evil"
	"github.com/manager-project/manager/internal/testenv/registry"
	"github.com/manager-project/manager/libpod/image"
)

// tree describes the file system of an image.
func tree(t *testing.T, svc *image.Service, id string) string {
	t.Helper()
	root, err := svc.Mount(t.Context(), id, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if _, err := svc.Unmount(t.Context(), id, false); err != nil {
			t.Error(err)
		}
	}()
	return evil.Snapshot(t, root)
}

func TestRoundTrip(t *testing.T) {
	if testing.Short() {
		t.Skip("half a minute of copying: not with -short")
	}
	reg := registry.Start(t, registry.Options{})
	svc := newService(t)
	img := load(t, svc, evil.Tree())[0]
	want := tree(t, svc, img.ID)
	for _, must := range []string{"mode=104755", "security.capability", "user.note=610062", "same-as=", "dev=103", "名前", "mode=41777", `data/01/new`} {
		if !strings.Contains(want, must) {
			t.Errorf("the loaded tree lacks %s", must)
		}
	}
	if strings.Contains(want, `"data/00/001"`) || strings.Contains(want, `"data/01/002"`) || strings.Count(want, "\n") < 2900 {
		t.Error("whiteouts were not applied")
	}
	check := func(what string, other *image.Service, got []image.Image, err error) {
		t.Helper()
		if err != nil || len(got) != 1 {
			t.Fatalf("%s: %v %v", what, got, err)
		}
		if now := tree(t, other, got[0].ID); now != want {
			t.Errorf("%s changed the tree:\n%s", what, evil.Difference(want, now))
		}
	}
	for _, format := range []string{image.FormatDockerArchive, image.FormatOCIArchive} {
		out := filepath.Join(t.TempDir(), "x")
		if err := svc.Save(t.Context(), []string{"tree:1"}, image.SaveOptions{Format: format, Output: out}); err != nil {
			t.Fatal(err)
		}
		other := newService(t)
		got, err := other.Load(t.Context(), image.LoadOptions{Path: out})
		check(format, other, got, err)
	}
	for _, compression := range []string{"gzip", "zstd"} {
		name := reg.Host + "/tree:" + compression
		if _, err := svc.Push(t.Context(), "tree:1", name, image.PushOptions{RemoteOptions: remote(reg), CompressionFormat: compression, ForceCompression: true, Format: "oci"}); err != nil {
			t.Fatal(err)
		}
		other := newService(t)
		got, err := other.Pull(t.Context(), name, image.PullOptions{RemoteOptions: remote(reg)})
		check(compression, other, got, err)
	}
}

// TestCompressedArchives loads one archive in every compression, whole and damaged.
func TestCompressedArchives(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "x.tar")
	if err := evil.DockerArchive(plain, simple("localhost/a:1")); err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{"gzip", "bzip2", "xz", "zstd"} {
		program, err := exec.LookPath(tool)
		if err != nil {
			t.Logf("%s is not installed", tool)
			continue
		}
		packed, err := exec.Command(program, "-c", plain).Output()
		if err != nil {
			t.Fatal(err)
		}
		svc := newService(t)
		if got, err := svc.Load(t.Context(), image.LoadOptions{Reader: bytes.NewReader(packed)}); err != nil || len(got) != 1 {
			t.Errorf("%s: %v %v", tool, got, err)
		}
		_, err = newService(t).Load(t.Context(), image.LoadOptions{Reader: bytes.NewReader(packed[:len(packed)/2])})
		if err == nil {
			t.Errorf("%s: a truncated archive was accepted", tool)
		}
	}
}

// podman runs Debian's podman on the service's store.
func podman(t *testing.T, dir string, args ...string) string {
	t.Helper()
	program, err := exec.LookPath("podman")
	if err != nil {
		t.Skip("podman is not installed")
	}
	all := append([]string{"--root", dir + "/root", "--runroot", dir + "/run", "--storage-driver", driver(t), "--cgroup-manager", "cgroupfs", "--events-backend", "file"}, args...)
	var stderr bytes.Buffer
	cmd := exec.Command(program, all...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("podman %v: %v: %s", args, err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// TestInterop shares one store with podman.
func TestInterop(t *testing.T) {
	dir := t.TempDir()
	svc := newService(t, func(o *image.OpenOptions) { o.GraphRoot, o.RunRoot = dir+"/root", dir+"/run" })
	ours, theirs := simple("localhost/ours:1"), simple("localhost/theirs:1")
	id := load(t, svc, ours)[0].ID
	if got := podman(t, dir, "images", "--format", "{{.Id}} {{.Repository}}:{{.Tag}}", "--no-trunc"); !strings.Contains(got, id) || !strings.Contains(got, "localhost/ours:1") {
		t.Errorf("podman sees %q", got)
	}
	archive := filepath.Join(t.TempDir(), "theirs.tar")
	if err := evil.DockerArchive(archive, theirs); err != nil {
		t.Fatal(err)
	}
	podman(t, dir, "load", "-i", archive)
	img, err := svc.Resolve(t.Context(), "theirs:1")
	if err != nil || img.ID != theirs.ID() {
		t.Fatalf("%v %v", img, err)
	}
	if _, err := svc.Config(t.Context(), img); err != nil {
		t.Error(err)
	}
	box := strings.Repeat("a", 64)
	if err := svc.CreateRootfs(t.Context(), box, img.ID, image.RootfsOptions{Name: "box", ImageName: "localhost/theirs:1"}); err != nil {
		t.Fatal(err)
	}
	if got := podman(t, dir, "ps", "-a", "--external", "--format", "{{.ID}}", "--no-trunc"); !strings.Contains(got, box) {
		t.Errorf("podman ps --external: %q", got)
	}
	podman(t, dir, "ps", "-a")
	if list, err := svc.External(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("external %v %v", list, err)
	}
	foreign := podman(t, dir, "create", "--network", "none", "localhost/theirs:1")
	list, err := svc.External(t.Context())
	if err != nil || len(list) != 1 || list[0].ID != foreign {
		t.Errorf("external %v %v", list, err)
	}
	if err := svc.DeleteRootfs(foreign); err == nil {
		t.Error("a foreign container was deleted")
	}
	if _, err := svc.MountRootfs(box); err != nil {
		t.Error(err)
	}
	if err := svc.DeleteRootfs(box); err != nil {
		t.Error(err)
	}
	podman(t, dir, "rm", foreign)
	podman(t, dir, "rmi", "localhost/ours:1")
	if ok, err := svc.Exists(t.Context(), "ours:1"); ok || err != nil {
		t.Errorf("removed image exists: %v %v", ok, err)
	}
	if _, err := svc.Remove(t.Context(), []string{"theirs:1"}, image.RemoveOptions{}); err != nil {
		t.Error(err)
	}
	if got := podman(t, dir, "images", "-q"); got != "" {
		t.Errorf("podman still sees %q", got)
	}
	_ = os.Remove(dir + "/root/libpod/bolt_state.db")
}
