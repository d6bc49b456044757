package crash

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/manager-project/manager/internal/testenv/evil"
	"github.com/manager-project/manager/internal/testenv/registry"
)

// other is an image of two layers that is loaded, pulled and removed.
const other = "localhost/other:latest"

// haveOther makes the archive of the other image, and a tar file with all that is in it. Commands find
// them in their working directory.
func haveOther(m *manager, _ *killed) {
	m.t.Helper()
	first := []evil.Entry{evil.Dir("first", 0o755), evil.File("first/file", "one", 0o644)}
	second := []evil.Entry{evil.Dir("second", 0o755), evil.File("second/file", strings.Repeat("two", 10_000), 0o644)}
	img := evil.Image{Name: other, Layers: [][]byte{evil.Layer(first...), evil.Layer(second...)}}
	if err := evil.DockerArchive(filepath.Join(m.Dir, "other.tar"), img); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(m.Dir, "tree.tar"), evil.Layer(append(first, second...)...), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

func loadOther(m *manager) { m.must("load", "--quiet", "--input", "other.tar") }

// whole checks that an image is there as a whole, or not at all.
func (m *manager) whole(name string) {
	m.t.Helper()
	if m.with(nil, "image", "exists", name).Code != 0 {
		return
	}
	got := m.must("run", "--rm", "--network", "none", "--mount", "type=image,source="+name+",destination=/i", busybox,
		"sh", "-c", "cat /i/first/file; wc -c </i/second/file")
	if got != "one30000" {
		m.t.Errorf("image %s has %q", name, got)
	}
}

// otherAgain does again what was killed and wants the image whole, then removes it and wants
// nothing left of it.
func otherAgain(name string, again func(m *manager)) func(m *manager) {
	return func(m *manager) {
		m.t.Helper()
		m.whole(name)
		again(m)
		if m.with(nil, "image", "exists", name).Code != 0 {
			m.t.Errorf("there is no image %s", name)
		}
		m.whole(name)
		m.must("rmi", name)
		if left := m.must("images", "--all", "--quiet", "--no-trunc"); strings.Count(left, "\n") != 0 {
			m.t.Errorf("images are left: %s", left)
		}
		m.noTemporaries()
	}
}

// noTemporaries wants no temporary file of an image in the places where they are made.
func (m *manager) noTemporaries() {
	m.t.Helper()
	for _, pattern := range []string{"manager-image-*", "container_images_*", ".manager-save-*", "storage*"} {
		for _, dir := range []string{m.TmpDir, m.Dir} {
			if left, _ := filepath.Glob(filepath.Join(dir, pattern)); len(left) > 0 && pattern != "storage*" || len(left) > 1 {
				m.t.Errorf("left behind: %v", left)
			}
		}
	}
}

// savedAgain looks at the output of a killed save, saves again, and loads what was saved.
func savedAgain(m *manager) {
	m.t.Helper()
	out := filepath.Join(m.Dir, "out.tar")
	load := func() {
		m.must("rmi", other)
		m.must("load", "--quiet", "--input", out)
		m.whole(other)
	}
	if _, err := os.Stat(out); err == nil {
		load()
	}
	m.must("save", "--quiet", "--output", out, other)
	load()
	m.must("rmi", other)
	_ = os.Remove(out)
	m.noTemporaries()
}

// pulling are commands that need a registry with the other image in it.
func pulling(m *manager) (pull []string, name string) {
	reg := registry.Start(m.t, registry.Options{})
	name = reg.Host + "/team/other:v1"
	certs := "--cert-dir=" + reg.CertDir
	loadOther(m)
	m.must("push", "--quiet", certs, other, name)
	m.must("rmi", other)
	return []string{"pull", "--quiet", certs, name}, name
}
