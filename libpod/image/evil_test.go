package image_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/testenv/evil"
	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/pkg/errdefs"
)

// evilLayers are layers that try to reach the canary. Each must be refused, or extracted
// inside its root; see looks at what an accepted layer looks like.
func evilLayers(canary string) map[string]struct {
	layers [][]byte
	see    func(root string) error
} {
	type c = struct {
		layers [][]byte
		see    func(root string) error
	}
	up := strings.Repeat("../", 30)
	one := func(e ...evil.Entry) c { return c{layers: [][]byte{evil.Layer(e...)}} }
	xattr := func(name string, records map[string]string) evil.Entry {
		e := evil.File(name, "x", 0o644)
		e.PAXRecords = records
		return e
	}
	many := []evil.Entry{}
	for i := range 2000 {
		many = append(many, evil.Dir(strings.Repeat("d/", i%200+1), 0o755))
	}
	return map[string]c{
		"link then child":        one(evil.Symlink("l", canary), evil.File("l/victim", "evil", 0o644)),
		"link then child, up":    one(evil.Symlink("l", up+canary[1:]), evil.File("l/victim", "evil", 0o644)),
		"link in lower layer":    {layers: [][]byte{evil.Layer(evil.Symlink("l", canary)), evil.Layer(evil.File("l/victim", "evil", 0o644))}},
		"dotdot name":            one(evil.File(up+canary[1:]+"/victim", "evil", 0o644)),
		"absolute name":          one(evil.File(canary+"/victim", "evil", 0o644)),
		"link is last component": one(evil.Symlink("f", canary+"/victim"), evil.File("f", "evil", 0o644)),
		"hard link to host":      one(evil.Hardlink("h", canary+"/secret")),
		"hard link up":           one(evil.Hardlink("h", up+canary[1:]+"/secret")),
		"hard link through link": one(evil.Symlink("l", canary), evil.Hardlink("h", "l/secret")),
		"hard link, then write":  one(evil.Hardlink("h", canary+"/victim"), evil.File("h", "evil", 0o644)),
		"whiteout through link":  {layers: [][]byte{evil.Layer(evil.Symlink("l", canary)), evil.Layer(evil.File("l/.wh.victim", "", 0o644))}},
		"whiteout of dotdot":     one(evil.File(".wh...", "", 0o644)),
		"whiteout of dot":        one(evil.File(".wh..", "", 0o644)),
		"bare whiteout":          one(evil.File(".wh.", "", 0o644)),
		"opaque root twice":      one(evil.File(".wh..wh..opq", "", 0o644), evil.File(".wh..wh..opq", "", 0o644)),
		"opaque through link":    {layers: [][]byte{evil.Layer(evil.Symlink("l", canary)), evil.Layer(evil.File("l/.wh..wh..opq", "", 0o644))}},
		"chmod through link":     one(evil.Symlink("l", canary), evil.Dir("l", 0o777)),
		"overlay redirect":       one(xattr("x", map[string]string{"SCHILY.xattr.trusted.overlay.redirect": canary, "SCHILY.xattr.user.overlay.redirect": canary})),
		"device of the disk":     one(evil.Device("sda", tar.TypeBlock, 8, 0), evil.Device("mem", tar.TypeChar, 1, 1)),
		"fifo":                   one(evil.Entry{Header: tar.Header{Typeflag: tar.TypeFifo, Name: "etc/passwd", Mode: 0o644}}),
		"dir, file, link, dir":   one(evil.Dir("a", 0o755), evil.File("a/b", "x", 0o644), evil.Symlink("a", canary), evil.Dir("a", 0o755), evil.File("a/victim", "evil", 0o644)),
		"same path again and again": one(func() (e []evil.Entry) {
			for i := range 2000 {
				e = append(e, evil.File("same", fmt.Sprint(i), 0o644))
			}
			return e
		}()...),
		"deep and many":   one(many...),
		"long component":  one(evil.File(strings.Repeat("n", 300), "x", 0o644)),
		"newline in name": one(evil.File("a\nb", "x", 0o644)),
		"var run": {
			layers: [][]byte{evil.Layer(evil.Dir("run", 0o755), evil.Dir("var", 0o755), evil.Symlink("var/run", "/run"), evil.File("var/run/x", "inside", 0o644))},
			see:    func(root string) error { return content(root+"/run/x", "inside") },
		},
		"absolute hard link target": {
			layers: [][]byte{evil.Layer(evil.Dir("bin", 0o755), evil.File("bin/a", "inside", 0o644), evil.Hardlink("bin/b", "/bin/a"))},
			see:    func(root string) error { return content(root+"/bin/b", "inside") },
		},
	}
}

func content(path, want string) error {
	got, err := os.ReadFile(path)
	if err == nil && string(got) != want {
		err = fmt.Errorf("%s holds %q", path, got)
	}
	return err
}

// TestEvilLayers brings every hostile layer in by load, pull and import.
func TestEvilLayers(t *testing.T) {
	canary := evil.NewCanary(t)
	ways := map[string]func(*testing.T, *image.Service, [][]byte) (image.Image, error){
		"load":   loadLayers,
		"pull":   pullLayers,
		"import": importLayers,
	}
	svc := newService(t)
	for name, tc := range evilLayers(canary.Dir) {
		for way, bring := range ways {
			if way == "import" && len(tc.layers) > 1 {
				continue
			}
			t.Run(name+"/"+way, func(t *testing.T) {
				start := time.Now()
				img, err := bring(t, svc, tc.layers)
				if took := time.Since(start); took > time.Minute {
					t.Errorf("took %v", took)
				}
				canary.Check(t)
				if err != nil {
					if tc.see != nil || strings.ContainsAny(err.Error(), "\n\r") {
						t.Errorf("refused: %q", err)
					}
					t.Logf("refused: %v", err)
					return
				}
				inspectTree(t, svc, img, canary, tc.see)
				if _, err := svc.Remove(t.Context(), []string{img.ID}, image.RemoveOptions{Force: true}); err != nil {
					t.Error(err)
				}
				canary.Check(t)
			})
		}
	}
}

// inspectTree mounts an accepted image and looks into it.
func inspectTree(t *testing.T, svc *image.Service, img image.Image, canary *evil.Canary, see func(string) error) {
	t.Helper()
	root, err := svc.Mount(t.Context(), img.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if _, err := svc.Unmount(t.Context(), img.ID, true); err != nil {
			t.Error(err)
		}
	}()
	canary.CheckTree(t, root)
	canary.Check(t)
	if see != nil {
		if err := see(root); err != nil {
			t.Error(err)
		}
	}
}

func loadLayers(t *testing.T, svc *image.Service, layers [][]byte) (image.Image, error) {
	path := filepath.Join(t.TempDir(), "x.tar")
	if err := evil.DockerArchive(path, evil.Image{Layers: layers}); err != nil {
		t.Fatal(err)
	}
	return first(svc.Load(t.Context(), image.LoadOptions{Path: path}))
}

func pullLayers(t *testing.T, svc *image.Service, layers [][]byte) (image.Image, error) {
	dir := t.TempDir()
	if err := evil.OCILayout(dir, evil.Image{Layers: layers}); err != nil {
		t.Fatal(err)
	}
	return first(svc.Pull(t.Context(), "oci:"+dir, image.PullOptions{}))
}

func importLayers(t *testing.T, svc *image.Service, layers [][]byte) (image.Image, error) {
	return svc.Import(t.Context(), image.ImportOptions{Reader: bytes.NewReader(layers[0])})
}

func first(images []image.Image, err error) (image.Image, error) {
	if err != nil {
		return image.Image{}, err
	}
	return images[0], nil
}

// TestEvilConfigs loads images whose config or manifest lies.
func TestEvilConfigs(t *testing.T) {
	layer := evil.Layer(evil.File("x", "x", 0o644))
	good := evil.Image{Layers: [][]byte{layer}}
	set := func(key string, value any) evil.Image {
		return evil.Image{Layers: good.Layers, Execution: map[string]any{key: value}}
	}
	diffIDs := func(ids ...string) evil.Image { return evil.Image{Layers: good.Layers, DiffIDs: ids} }
	descriptor := func(d any) evil.Image {
		return evil.Image{Layers: good.Layers, Manifest: func(m map[string]any) {
			m["layers"].([]any)[0].(map[string]any)["digest"] = d
		}}
	}
	huge := make([]string, 20_000)
	for i := range huge {
		huge[i] = fmt.Sprintf("V%d=x", i)
	}
	for name, img := range map[string]evil.Image{
		"user with newline":     set("User", "a\nroot:x:0:0"),
		"workdir with NUL":      set("WorkingDir", "/a\x00b"),
		"stop signal":           set("StopSignal", "SIG\nTERM"),
		"too many variables":    set("Env", huge),
		"argument with NUL":     set("Cmd", []string{"a\x00b"}),
		"config is a list":      {Layers: good.Layers, Config: []byte(`[]`)},
		"config is no JSON":     {Layers: good.Layers, Config: []byte(`{"a`)},
		"wrong DiffID":          diffIDs("sha256:" + strings.Repeat("0", 64)),
		"DiffID with a path":    diffIDs("sha256:../../../canary"),
		"DiffID too short":      diffIDs("sha256:" + strings.Repeat("0", 63)),
		"DiffID missing":        diffIDs(""),
		"one DiffID too many":   diffIDs("sha256:"+strings.Repeat("0", 64), "sha256:"+strings.Repeat("1", 64)),
		"layer digest path":     descriptor("sha256:../../canary"),
		"layer digest md5":      descriptor("md5:d41d8cd98f00b204e9800998ecf8427e"),
		"layer digest upper":    descriptor("sha256:" + strings.Repeat("A", 64)),
		"layer digest empty":    descriptor(""),
		"index digest path":     {Layers: good.Layers, Index: func(m map[string]any) { m["manifests"].([]any)[0].(map[string]any)["digest"] = "sha256:../../x" }},
		"manifest and index":    {Layers: good.Layers, Manifest: func(m map[string]any) { m["manifests"] = []any{} }},
		"schema number":         {Layers: good.Layers, Manifest: func(m map[string]any) { m["schemaVersion"] = "two" }},
		"no manifest in layout": {Layers: good.Layers, Index: func(m map[string]any) { m["manifests"] = []any{} }},
	} {
		t.Run(name, func(t *testing.T) {
			svc := newService(t)
			dir := t.TempDir()
			if err := evil.OCILayout(dir, img); err != nil {
				t.Fatal(err)
			}
			_, err := svc.Load(t.Context(), image.LoadOptions{Path: dir})
			if err == nil {
				t.Fatal("accepted")
			}
			if !errors.Is(err, errdefs.ErrInvalid) && !errors.Is(err, errdefs.ErrCorrupt) && !errors.Is(err, errdefs.ErrUnsupported) {
				t.Errorf("class of %v", err)
			}
			t.Logf("%v", err)
			checkRefused(t, svc, err, "")
		})
	}
}

// TestDroppedConfig loads an image with entries that are dropped, and keeps a name's old image
// when the new one is refused.
func TestDroppedConfig(t *testing.T) {
	t.Setenv("CANARY", "token")
	svc := newService(t)
	img := evil.Image{
		Name: "localhost/a:1", Layers: [][]byte{evil.Layer(evil.File("x", "x", 0o644))},
		Execution: map[string]any{
			"Env":     []string{"CANARY", "*", "CAN*", "=x", "A\nB=1", "GOOD=1", "EMPTY="},
			"Labels":  map[string]string{"io.podman.annotations.x": "1", "run.oci.hooks.stderr": "/x", "fine": "1"},
			"Volumes": map[string]any{"../x": map[string]any{}, "/ok/": map[string]any{}, "/": map[string]any{}}, "ExposedPorts": map[string]any{"99999/tcp": map[string]any{}, "80": map[string]any{}},
			"Healthcheck": map[string]any{"Test": []string{"EVIL"}},
		},
	}
	got := load(t, svc, img)[0]
	cfg, err := svc.Config(t.Context(), got)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(cfg.Env) != "[GOOD=1 EMPTY=]" || fmt.Sprint(cfg.Volumes) != "[/ok]" || fmt.Sprint(cfg.ExposedPorts) != "[80/tcp]" || cfg.Healthcheck != nil {
		t.Errorf("config %+v", cfg)
	}
	if len(cfg.Labels) != 3 || len(cfg.Warnings) != 10 {
		t.Errorf("labels %v, %d warnings %v", cfg.Labels, len(cfg.Warnings), cfg.Warnings)
	}
	bad := img
	bad.Execution = map[string]any{"User": "a\nb"}
	path := filepath.Join(t.TempDir(), "bad.tar")
	if err := evil.DockerArchive(path, bad); err != nil {
		t.Fatal(err)
	}
	if _, err := svc.Load(t.Context(), image.LoadOptions{Path: path}); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("bad image: %v", err)
	}
	if now, err := svc.Resolve(t.Context(), "a:1"); err != nil || now.ID != got.ID {
		t.Errorf("the name's old image is gone: %v %v", now.ID, err)
	}
	if list, _ := svc.List(t.Context(), image.ListOptions{All: true}); len(list) != 1 {
		t.Errorf("%d images", len(list))
	}
}
