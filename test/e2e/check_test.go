package e2e

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/testenv"
)

// storeDamage is one way in which a store is not as it was written.
type storeDamage struct {
	name string
	// inflict damages the image "hurt", and does it once more after its repair.
	inflict func(t *testing.T, w *checkWorld)
	// says has to be in the lines of check, for example the file; nothing else than these objects may be named there.
	says []string
	// kept says that the image stays: what is damaged is nothing of its own.
	kept bool
}

// checkWorld is a store with two images of the same files, "hurt" and "well".
type checkWorld struct {
	*testenv.Manager
	// layer and id are those of "hurt", tree its files as an archive.
	layer, id, tree string
}

func newCheckWorld(t *testing.T) *checkWorld {
	w := &checkWorld{Manager: testenv.NewManager(t)}
	w.Image(t, "busybox")
	w.MustRun(t, "tag", "localhost/busybox", "localhost/well")
	w.MustRun(t, "untag", "localhost/busybox", "localhost/busybox")
	w.tree = filepath.Join(w.Dir, "hurt.tar")
	ok(t, os.WriteFile(w.tree, withFile(t, testenv.RootfsTar(t), "etc/hurt"), 0o600))
	w.restore(t)
	return w
}

// withFile is an archive with an empty file more.
func withFile(t *testing.T, archive, name string) []byte {
	t.Helper()
	f, err := os.Open(archive)
	ok(t, err)
	defer func() { _ = f.Close() }()
	var out bytes.Buffer
	from, to := tar.NewReader(f), tar.NewWriter(&out)
	for {
		header, err := from.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		ok(t, err)
		ok(t, to.WriteHeader(header))
		_, err = io.Copy(to, from)
		ok(t, err)
	}
	ok(t, to.WriteHeader(&tar.Header{Name: name, Mode: 0o644, ModTime: time.Unix(1, 0)}))
	ok(t, to.Close())
	return out.Bytes()
}

// restore imports "hurt" if it is not there, and looks its parts up.
func (w *checkWorld) restore(t *testing.T) {
	t.Helper()
	if w.Run("image", "exists", "localhost/hurt").Code != 0 {
		w.MustRun(t, "import", "-q", "-c", "ENV HURT=yes", w.tree, "localhost/hurt")
	}
	w.id = w.MustRun(t, "image", "inspect", "--format", "{{.Id}}", "localhost/hurt")
	upper := w.MustRun(t, "image", "inspect", "--format", "{{.GraphDriver.Data.UpperDir}}", "localhost/hurt")
	w.layer = filepath.Base(filepath.Dir(upper))
}

// file is a path below the layer's tree.
func (w *checkWorld) file(name string) string {
	return filepath.Join(w.Root, "overlay", w.layer, "diff", name)
}

// item is the file with one of the image's data items whose name has that in it.
func (w *checkWorld) item(t *testing.T, manifest bool) string {
	t.Helper()
	dir := filepath.Join(w.Root, "overlay-images", w.id)
	entries, err := os.ReadDir(dir)
	ok(t, err)
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		text, err := os.ReadFile(path)
		ok(t, err)
		if bytes.Contains(text, []byte(`"schemaVersion"`)) == manifest && json.Valid(text) && e.Name() != "manifest" {
			return path
		}
	}
	t.Fatal("the image has no such item")
	return ""
}

// flip changes a file in its middle and leaves its size, mode and times.
func flip(t *testing.T, path string, from, to string) {
	t.Helper()
	info, err := os.Stat(path)
	ok(t, err)
	text, err := os.ReadFile(path)
	ok(t, err)
	at := len(text) / 2
	if from == "" {
		text[at] ^= 1
	} else {
		changed := bytes.Replace(text, []byte(from), []byte(to), 1)
		if bytes.Equal(changed, text) || len(changed) != len(text) {
			t.Fatalf("%s: no %q", path, from)
		}
		text = changed
	}
	ok(t, os.WriteFile(path, text, info.Mode().Perm()))
	ok(t, os.Chtimes(path, info.ModTime(), info.ModTime()))
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// storeDamages are the ways. Each leaves the image "well" whole.
var storeDamages = []storeDamage{
	{name: "bit", says: []string{"bin/busybox"}, inflict: func(t *testing.T, w *checkWorld) { flip(t, w.file("bin/busybox"), "", "") }},
	{name: "deleted-file", says: []string{"etc/passwd"}, inflict: func(t *testing.T, w *checkWorld) { ok(t, os.Remove(w.file("etc/passwd"))) }},
	{name: "extra-file", says: []string{"etc/extra"}, inflict: func(t *testing.T, w *checkWorld) { ok(t, os.WriteFile(w.file("etc/extra"), nil, 0o644)) }},
	{name: "mode", says: []string{"bin/busybox", "mode"}, inflict: func(t *testing.T, w *checkWorld) { ok(t, os.Chmod(w.file("bin/busybox"), 0o700)) }},
	{name: "time", says: []string{"etc/passwd", "mtime"}, inflict: func(t *testing.T, w *checkWorld) {
		ok(t, os.Chtimes(w.file("etc/passwd"), time.Unix(1, 0), time.Unix(1, 0)))
	}},
	{name: "file-for-directory", says: []string{"root"}, inflict: func(t *testing.T, w *checkWorld) {
		ok(t, os.Chmod(w.file(""), 0o755)) // a user's files obey their modes
		ok(t, os.RemoveAll(w.file("root")))
		ok(t, os.WriteFile(w.file("root"), nil, 0o755))
	}},
	{name: "layer-gone", says: nil, inflict: func(t *testing.T, w *checkWorld) {
		ok(t, os.Chmod(w.file(""), 0o755))
		ok(t, os.RemoveAll(filepath.Dir(w.file(""))))
	}},
	{name: "layer-empty", says: []string{"bin/busybox"}, inflict: func(t *testing.T, w *checkWorld) {
		ok(t, os.Chmod(w.file(""), 0o755))
		entries, err := os.ReadDir(w.file(""))
		ok(t, err)
		for _, e := range entries {
			ok(t, os.RemoveAll(w.file(e.Name())))
		}
	}},
	{name: "split-gone", says: []string{"digest"}, inflict: func(t *testing.T, w *checkWorld) {
		ok(t, os.Remove(filepath.Join(w.Root, "overlay-layers", w.layer+".tar-split.gz")))
	}},
	{name: "config", says: []string{"sha256:"}, inflict: func(t *testing.T, w *checkWorld) { flip(t, w.item(t, false), "HURT=yes", "HURT=yEs") }},
	{name: "manifest", says: []string{"manifest-sha256:"}, inflict: func(t *testing.T, w *checkWorld) { flip(t, w.item(t, true), "layers", "lAyers") }},
	{name: "config-gone", says: []string{"sha256:"}, inflict: func(t *testing.T, w *checkWorld) { ok(t, os.Remove(w.item(t, false))) }},
	{name: "config-short", says: []string{"sha256:"}, inflict: func(t *testing.T, w *checkWorld) { ok(t, os.Truncate(w.item(t, false), 10)) }},
	{name: "unknown-layer", kept: true, says: []string{"layer unknown"}, inflict: func(t *testing.T, w *checkWorld) {
		ok(t, os.MkdirAll(filepath.Join(w.Root, "overlay", "unknown", "diff"), 0o755))
	}},
}

// TestCheck damages a store in each way: check names the image, and the file where it is one; a repair removes what is
// damaged, and nothing else; then all is well, also for who has it done once more; and the image can come back.
func TestCheck(t *testing.T) {
	w := newCheckWorld(t)
	healthy := func(t *testing.T, words ...string) {
		t.Helper()
		if r := w.Run(append([]string{"system", "check"}, words...)...); r.Code != 0 || r.Stdout+r.Stderr != "" {
			t.Fatalf("exit code %d: %s%s", r.Code, r.Stdout, r.Stderr)
		}
	}
	healthy(t)
	for _, d := range storeDamages {
		t.Run(d.name, func(t *testing.T) {
			w.restore(t)
			d.inflict(t, w)
			found := w.Run("system", "check")
			if found.Code != 125 || !strings.Contains(found.Stderr, "--repair") || strings.Count(found.Stderr, "\n") != 1 {
				t.Errorf("exit code %d: %s", found.Code, found.Stderr)
			}
			want := append([]string{"localhost/hurt"}, d.says...)
			if d.kept {
				want = d.says
			}
			for _, text := range want {
				if !strings.Contains(found.Stdout, text) {
					t.Errorf("%q is not in\n%s", text, found.Stdout)
				}
			}
			if strings.Contains(found.Stdout, "localhost/well") {
				t.Errorf("the other image:\n%s", found.Stdout)
			}
			if again := w.Run("system", "check"); again != found {
				t.Errorf("the first look changed something: %+v\n%+v", found, again)
			}
			repaired := w.Run("system", "check", "--repair")
			if repaired.Code != 0 || !strings.Contains(repaired.Stdout, "removed ") {
				t.Errorf("repair: exit code %d\n%s%s", repaired.Code, repaired.Stdout, repaired.Stderr)
			}
			if left := w.Run("image", "exists", "localhost/hurt").Code == 0; left != d.kept {
				t.Errorf("the image is there: %v", left)
			}
			healthy(t)
			healthy(t, "--repair")
			healthy(t, "--force", "--max", "0s")
			if got := w.MustRun(t, "run", "--rm", "--network", "none", "localhost/well", "echo", "well"); got != "well" {
				t.Errorf("the other image says %q", got)
			}
		})
	}
}

// TestCheckContainers looks for damage below containers, and at containers that only the state or only the store has: nothing of
// them goes without --force, and then with their images.
func TestCheckContainers(t *testing.T) {
	w := newCheckWorld(t)
	w.MustRun(t, "run", "-d", "--network", "none", "--name", "up", "-v", "data:/data", "localhost/hurt", "sh", "-c", "echo kept >/data/file; exec sleep 1000")
	w.MustRun(t, "create", "--network", "none", "--name", "well", "localhost/well", "true")
	w.MustRun(t, "create", "--network", "none", "--name", "bare", "localhost/well", "true")
	flip(t, w.file("bin/busybox"), "", "")
	bare := w.MustRun(t, "inspect", "--format", "{{.Id}}", "bare")
	w.forget(t, bare, "overlay-containers/containers.json", "overlay-layers/layers.json")
	ok(t, os.RemoveAll(filepath.Join(w.Root, "overlay", bare)))
	for range 2 {
		r := w.Run("system", "check", "--repair")
		for _, text := range []string{"container up (", "image localhost/hurt:latest (", "bin/busybox", "container bare (", "root filesystem is missing"} {
			if !strings.Contains(r.Stdout, text) {
				t.Errorf("%q is not in\n%s", text, r.Stdout)
			}
		}
		if r.Code != 125 || !strings.Contains(r.Stderr, "--force") || strings.Contains(r.Stdout, "removed") || strings.Contains(r.Stdout, "container well") {
			t.Errorf("exit code %d: %s%s", r.Code, r.Stdout, r.Stderr)
		}
	}
	if got := w.MustRun(t, "ps", "--format", "{{.Names}}"); got != "up" {
		t.Errorf("running: %q", got)
	}
	r := w.Run("system", "check", "--force")
	for _, text := range []string{"removed container up (", "removed container bare (", "removed image localhost/hurt:latest ("} {
		if !strings.Contains(r.Stdout, text) {
			t.Errorf("%q is not in\n%s", text, r.Stdout)
		}
	}
	if r.Code != 0 || strings.Contains(r.Stdout, "well") {
		t.Errorf("exit code %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	if got := w.MustRun(t, "ps", "-a", "--format", "{{.Names}}"); got != "well" {
		t.Errorf("left: %q", got)
	}
	w.MustRun(t, "start", "-a", "well")
	if got := w.MustRun(t, "run", "--rm", "--network", "none", "-v", "data:/data", "localhost/well", "cat", "/data/file"); got != "kept" {
		t.Errorf("in the volume: %q", got)
	}
}

// TestCheckLeftLayer looks at the layer that an interrupted load leaves without its image: the next load takes it, so it is
// not damage until it is old, and a repair removes it then.
func TestCheckLeftLayer(t *testing.T) {
	w := newCheckWorld(t)
	w.forget(t, w.id, "overlay-images/images.json")
	dir := filepath.Dir(w.file(""))
	for _, step := range []struct {
		words string
		code  int
		says  string
		left  bool
	}{
		{"", 0, "", true},
		{"--repair", 0, "", true},
		{"--max 0s", 125, "layer " + w.layer[:12] + ": layer not referenced", true},
		{"--max 0s --repair", 0, "removed layer " + w.layer[:12], false},
		{"--max 0s", 0, "", false},
	} {
		r := w.Run(append([]string{"system", "check"}, strings.Fields(step.words)...)...)
		_, err := os.Stat(dir)
		if r.Code != step.code || !strings.HasPrefix(r.Stdout, step.says) || step.says == "" && r.Stdout != "" || (err == nil) != step.left {
			t.Errorf("%s: exit code %d, %v: %s%s", step.words, r.Code, err, r.Stdout, r.Stderr)
		}
	}
	w.MustRun(t, "run", "--rm", "--network", "none", "localhost/well", "true")
}

// forget takes an object's record out of files of the store.
func (w *checkWorld) forget(t *testing.T, id string, files ...string) {
	t.Helper()
	for _, name := range files {
		path := filepath.Join(w.Root, name)
		text, err := os.ReadFile(path)
		ok(t, err)
		var all []map[string]any
		ok(t, json.Unmarshal(text, &all))
		kept := make([]map[string]any, 0, len(all))
		for _, one := range all {
			if one["id"] != id {
				kept = append(kept, one)
			}
		}
		if len(kept) == len(all) {
			t.Fatalf("%s does not have %s", name, id)
		}
		text, err = json.Marshal(kept)
		ok(t, err)
		ok(t, os.WriteFile(path, text, 0o600))
	}
}
