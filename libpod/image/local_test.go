package image_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/manager-project/manager/internal/testenv/evil"
	"github.com/manager-project/manager/internal/testenv/registry"
	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/pkg/errdefs"
)

func TestTagRemove(t *testing.T) {
	svc := newService(t)
	img := load(t, svc, simple("localhost/a:1"))[0]
	if err := svc.Tag(t.Context(), "a:1", "b", "example.com/c:2"); err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"UPPER", "x@sha256:" + img.ID} {
		if err := svc.Tag(t.Context(), "a:1", "fine", n); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("tag %s: %v", n, err)
		}
	}
	if ok, _ := svc.Exists(t.Context(), "fine"); ok {
		t.Error("a refused tag changed something")
	}
	if _, err := svc.Remove(t.Context(), []string{img.ID}, image.RemoveOptions{}); !errors.Is(err, errdefs.ErrInUse) {
		t.Errorf("remove by id with several names: %v", err)
	}
	r, err := svc.Remove(t.Context(), []string{"b"}, image.RemoveOptions{})
	if err != nil || len(r) != 1 || len(r[0].Deleted) != 0 || !slices.Equal(r[0].Untagged, []string{"localhost/b:latest"}) {
		t.Errorf("remove b: %+v %v", r, err)
	}
	id := strings.Repeat("1", 64)
	if err := svc.CreateRootfs(t.Context(), id, img.ID, image.RootfsOptions{Name: "box"}); err != nil {
		t.Fatal(err)
	}
	if err := svc.Untag(t.Context(), "a:1", "example.com/c:2"); err != nil {
		t.Fatal(err)
	}
	if _, err := svc.Remove(t.Context(), []string{"a:1"}, image.RemoveOptions{}); !errors.Is(err, errdefs.ErrInUse) {
		t.Errorf("remove in use: %v", err)
	}
	for range 2 {
		if err := svc.DeleteRootfs(id); err != nil {
			t.Errorf("delete rootfs: %v", err)
		}
	}
	r, err = svc.Remove(t.Context(), []string{"a:1", "missing"}, image.RemoveOptions{Ignore: true})
	if err != nil || len(r) != 1 || !slices.Equal(r[0].Deleted, []string{img.ID}) {
		t.Errorf("remove: %+v %v", r, err)
	}
	if _, err := svc.Remove(t.Context(), []string{"missing"}, image.RemoveOptions{}); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("remove missing: %v", err)
	}
}

func TestListFilters(t *testing.T) {
	svc := newService(t)
	labelled := simple("localhost/labelled:1")
	labelled.Execution["Labels"] = map[string]string{"kind": "x"}
	imgs := load(t, svc, labelled, simple("example.com/team/other:2"), evil.Image{Layers: simple("z").Layers})
	for filter, want := range map[string][]int{
		"":                       {0, 1, 2},
		"dangling=true":          {2},
		"dangling=false":         {0, 1},
		"label=kind":             {0},
		"label=kind=y":           {},
		"label!=kind":            {1, 2},
		"reference=other":        {1},
		"reference=*/team/*:2":   {1},
		"id=" + imgs[1].ID[:10]:  {1},
		"until=2000-01-01":       {},
		"until=1h":               {0, 1, 2},
		"readonly=true":          {},
		"containers=false":       {0, 1, 2},
		"since=" + imgs[0].ID:    {},
		"reference!=*/labelled*": {1, 2},
	} {
		var filters []string
		if filter != "" {
			filters = []string{filter}
		}
		list, err := svc.List(t.Context(), image.ListOptions{Filters: filters})
		if err != nil {
			t.Errorf("%q: %v", filter, err)
			continue
		}
		var got, exp []string
		for _, s := range list {
			got = append(got, s.ID)
		}
		for _, i := range want {
			exp = append(exp, imgs[i].ID)
		}
		slices.Sort(got)
		slices.Sort(exp)
		if !slices.Equal(got, exp) {
			t.Errorf("%q: %v; want %v", filter, got, exp)
		}
	}
	for _, bad := range []string{"nonsense=1", "dangling", "dangling=perhaps", "dangling!=true", "until=soon", "reference=["} {
		if _, err := svc.List(t.Context(), image.ListOptions{Filters: []string{bad}}); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestInspectHistoryMount(t *testing.T) {
	svc := newService(t)
	img := load(t, svc, simple("localhost/a:1"))[0]
	ins, err := svc.Inspect(t.Context(), "a:1")
	if err != nil {
		t.Fatal(err)
	}
	if ins.ID != img.ID || ins.Size == 0 || len(ins.RootFS.Layers) != 2 || ins.GraphDriver.Name != driver(t) || len(ins.RepoDigests) != 1 {
		t.Errorf("inspect %+v", ins)
	}
	steps, err := svc.History(t.Context(), "a:1")
	if err != nil || len(steps) != 2 || steps[0].ID != img.ID {
		t.Errorf("history %+v %v", steps, err)
	}
	path, err := svc.Mount(t.Context(), "a:1", "")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(path, "bin/x")); err != nil || string(got) != "first" {
		t.Errorf("%q %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(path, "new"), nil, 0o600); err == nil && driver(t) != "vfs" {
		t.Error("the mount can be written to")
	}
	if list, err := svc.Mounts(t.Context()); err != nil || len(list) != 1 || list[0].Path != path {
		t.Errorf("mounts %v %v", list, err)
	}
	if still, err := svc.Unmount(t.Context(), "a:1", false); err != nil || still {
		t.Errorf("unmount %v %v", still, err)
	}
	if _, err := svc.Unmount(t.Context(), "a:1", false); !errors.Is(err, errdefs.ErrState) {
		t.Errorf("second unmount: %v", err)
	}
}

func TestSave(t *testing.T) {
	svc := newService(t)
	imgs := load(t, svc, simple("localhost/a:1"), simple("example.com/b:2"))
	for _, format := range []string{image.FormatDockerArchive, image.FormatOCIArchive, image.FormatOCIDir, image.FormatDockerDir} {
		out := filepath.Join(t.TempDir(), "out")
		if err := svc.Save(t.Context(), []string{"a:1"}, image.SaveOptions{Format: format, Output: out}); err != nil {
			t.Errorf("%s: %v", format, err)
			continue
		}
		got, err := newService(t).Load(t.Context(), image.LoadOptions{Path: out})
		if err != nil || len(got) != 1 {
			t.Errorf("%s: load %v %v", format, got, err)
			continue
		}
		if format != image.FormatDockerDir && got[0].Name != "localhost/a:1" {
			t.Errorf("%s: name %q", format, got[0].Name)
		}
		if rest, _ := filepath.Glob(filepath.Join(filepath.Dir(out), ".manager-*")); len(rest) > 0 {
			t.Errorf("%s: left %v", format, rest)
		}
	}
	var buf bytes.Buffer
	if err := svc.Save(t.Context(), []string{"a:1", "example.com/b:2"}, image.SaveOptions{Writer: &buf, MultiImage: true}); err != nil {
		t.Fatal(err)
	}
	got, err := newService(t).Load(t.Context(), image.LoadOptions{Reader: &buf})
	if err != nil || len(got) != 2 || got[0].ID != imgs[0].ID || got[1].ID != imgs[1].ID {
		t.Errorf("several images: %v %v", got, err)
	}
	dir := t.TempDir()
	writeFile(t, dir+"/keep", "x")
	if err := svc.Save(t.Context(), []string{"a:1"}, image.SaveOptions{Format: image.FormatOCIDir, Output: dir}); !errors.Is(err, errdefs.ErrExists) {
		t.Errorf("full directory: %v", err)
	}
	if err := svc.Save(t.Context(), []string{"a:1"}, image.SaveOptions{Format: "zip", Output: dir + "/x"}); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("format: %v", err)
	}
}

func TestImport(t *testing.T) {
	svc := newService(t)
	tarball := evil.Layer(evil.File("bin/x", "program", 0o755))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/missing" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(evil.Gzip(tarball))
	}))
	defer srv.Close()
	changes := []string{`CMD ["/bin/x","a b"]`, "ENV A=1 B='two words'", "LABEL k=v", "USER 1000:1000", "WORKDIR /w", "EXPOSE 80 53/udp", "VOLUME /data", "STOPSIGNAL SIGINT", "ENTRYPOINT /bin/x"}
	for i, opts := range []image.ImportOptions{{Reader: bytes.NewReader(tarball)}, {Source: srv.URL + "/x.tar.gz"}} {
		opts.Name, opts.Changes, opts.Message = "imported:"+string(rune('a'+i)), changes, "from a test"
		img, err := svc.Import(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := svc.Config(t.Context(), img)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(cfg.Cmd, []string{"/bin/x", "a b"}) || !slices.Equal(cfg.Env, []string{"A=1", "B=two words"}) ||
			cfg.Labels["k"] != "v" || cfg.User != "1000:1000" || cfg.WorkingDir != "/w" || cfg.StopSignal != "SIGINT" ||
			!slices.Equal(cfg.ExposedPorts, []string{"53/udp", "80/tcp"}) || !slices.Equal(cfg.Volumes, []string{"/data"}) ||
			!slices.Equal(cfg.Entrypoint, []string{"/bin/sh", "-c", "/bin/x"}) {
			t.Errorf("config %+v", cfg)
		}
	}
	for want, opts := range map[error]image.ImportOptions{
		errdefs.ErrInvalid:  {Reader: bytes.NewReader(tarball), Changes: []string{"RUN x"}},
		errdefs.ErrNotFound: {Source: srv.URL + "/missing"},
		errdefs.ErrCorrupt:  {Reader: strings.NewReader("")},
	} {
		if _, err := svc.Import(t.Context(), opts); !errors.Is(err, want) {
			t.Errorf("%v; want %v", err, want)
		}
	}
	for _, bad := range []string{"CMD", "ENV A", "ENV =x", "EXPOSE 0", "EXPOSE x", "WORKDIR rel", "VOLUME rel", "USER a b", "LABEL k='x", "NONSENSE 1", "STOPSIGNAL a\nb"} {
		if _, err := svc.Import(t.Context(), image.ImportOptions{Reader: bytes.NewReader(tarball), Changes: []string{bad}}); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestLogin(t *testing.T) {
	reg := registry.Start(t, registry.Options{Auth: true})
	svc := newService(t)
	opts := image.LoginOptions{RemoteOptions: remote(reg)}
	wrong := image.Credentials{Username: registry.Username, Password: "wrong"}
	if _, err := svc.Login(t.Context(), reg.Host, wrong, opts); !errors.Is(err, errdefs.ErrPermission) {
		t.Errorf("wrong password: %v", err)
	}
	if _, err := svc.LoggedIn(t.Context(), reg.Host, opts); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("a refused login was kept: %v", err)
	}
	right := image.Credentials{Username: registry.Username, Password: registry.Password}
	if key, err := svc.Login(t.Context(), "https://"+reg.Host, right, opts); err != nil || key != reg.Host {
		t.Fatal(key, err)
	}
	if user, err := svc.LoggedIn(t.Context(), reg.Host, opts); err != nil || user != registry.Username {
		t.Errorf("%q %v", user, err)
	}
	load(t, svc, simple("localhost/app:latest"))
	name := reg.Host + "/team/app:v1"
	d, err := svc.Push(t.Context(), "app", name, image.PushOptions{RemoteOptions: remote(reg), CompressionFormat: "zstd", Format: "oci"})
	if err != nil || d == "" {
		t.Errorf("push: %q %v", d, err)
	}
	if _, err := svc.Logout(t.Context(), reg.Host, opts); err != nil {
		t.Fatal(err)
	}
	if _, err := svc.Logout(t.Context(), reg.Host, opts); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("second logout: %v", err)
	}
	_, err = svc.Push(t.Context(), "app", name, image.PushOptions{RemoteOptions: remote(reg)})
	if !errors.Is(err, errdefs.ErrPermission) || !strings.Contains(errdefs.Hint(err), "manager login "+reg.Host) {
		t.Errorf("push without login: %v, hint %q", err, errdefs.Hint(err))
	}
	for _, bad := range []string{"a b", "host.example/x:tag", "-x.y", "nohost"} {
		if _, err := svc.Login(t.Context(), bad, right, opts); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
