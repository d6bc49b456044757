package conf

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/manager-project/manager/pkg/errdefs"
)

// tree writes files below a new prefix.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var layered = map[string]string{
	"usr/share/containers/containers.conf":              "[containers]\npids_limit = 1\nenv = [\"A=1\"]\numask = \"0077\"\nfuture_key = 5\n[engine.runtimes]\ncrun = [\"/x\"]\n",
	"etc/containers/containers.conf":                    "[containers]\npids_limit = 2\nenv = [\"B=2\", {append=true}]\n",
	"etc/containers/containers.conf.d/20.conf":          "[containers]\npids_limit = 4\n",
	"etc/containers/containers.conf.d/10.conf":          "[containers]\npids_limit = 3\nenv = [\"C=3\"]\n",
	"etc/containers/containers.conf.d/ignored.txt":      "not toml at all",
	"home/.config/containers/containers.conf":           "[containers]\npids_limit = 5\nenv = [\"D=4\", {append=false}]\n[engine]\nstop_timeout = 3\n",
	"etc/containers/containers.conf.modules/extra.conf": "[containers]\nshm_size = \"1m\"\n",
	"override.conf": "[containers]\nlabel = false\ndefault_capabilities = []\n",
	"alone.conf":    "[containers]\ntz = \"local\"\n",
}

func TestLoad(t *testing.T) {
	prefix := tree(t, layered)
	env := func(kv ...string) func(string) string {
		return func(key string) string {
			for _, e := range append(kv, "HOME="+prefix+"/home") {
				if k, v, _ := strings.Cut(e, "="); k == key {
					return v
				}
			}
			return ""
		}
	}
	root, err := Load(Source{Prefix: prefix, Getenv: env()})
	if err != nil {
		t.Fatal(err)
	}
	if *root.Containers.PidsLimit != 4 || !reflect.DeepEqual(root.Containers.Env.Values, []string{"A=1", "B=2", "C=3"}) ||
		*root.Containers.Umask != "0077" || len(root.Loaded) != 4 || root.Engine.StopTimeout != nil {
		t.Errorf("root: %+v", root)
	}
	user, err := Load(Source{Prefix: prefix, Getenv: env("CONTAINERS_CONF_OVERRIDE=" + prefix + "/override.conf"), Rootless: true, Modules: []string{"extra.conf"}})
	if err != nil {
		t.Fatal(err)
	}
	d, err := user.Defaults()
	if err != nil {
		t.Fatal(err)
	}
	if d.PidsLimit != 5 || !reflect.DeepEqual(d.Env, []string{"D=4"}) || d.ShmSize != 1<<20 || !d.NoLabel || len(d.Capabilities) != 0 || d.StopTimeout != 3 {
		t.Errorf("user: %+v", d)
	}
	alone, err := Load(Source{Prefix: prefix, Getenv: env("CONTAINERS_CONF=" + prefix + "/alone.conf")})
	if err != nil || len(alone.Loaded) != 1 || *alone.Containers.TZ != "local" || alone.Containers.PidsLimit != nil {
		t.Errorf("alone: %+v, %v", alone, err)
	}
}

func TestLoadNothing(t *testing.T) {
	f, err := Load(Source{Prefix: t.TempDir()})
	if err != nil || len(f.Loaded) != 0 {
		t.Fatalf("%+v, %v", f, err)
	}
	d, err := f.Defaults()
	if err != nil || d.PidsLimit != 2048 || len(d.Capabilities) != 11 {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestLoadErrors(t *testing.T) {
	const file = "etc/containers/containers.conf"
	for name, c := range map[string]struct {
		text   string
		source Source
		class  error
		word   string
	}{
		"syntax":         {"[containers]\n\npids_limit = = 3\n", Source{}, errdefs.ErrInvalid, "line 3"},
		"type":           {"[containers]\npids_limit = \"x\"\n", Source{}, errdefs.ErrInvalid, "pids_limit"},
		"array":          {"[containers]\nenv = [5]\n", Source{}, errdefs.ErrInvalid, "not a string"},
		"attribute":      {"[containers]\nenv = [{prepend=true}]\n", Source{}, errdefs.ErrInvalid, "append"},
		"missing module": {"", Source{Modules: []string{"nosuch"}}, errdefs.ErrNotFound, "nosuch"},
		"missing file":   {"", Source{Getenv: func(k string) string { return map[string]string{"CONTAINERS_CONF": "/nosuch"}[k] }}, errdefs.ErrNotFound, "/nosuch"},
	} {
		t.Run(name, func(t *testing.T) {
			c.source.Prefix = tree(t, map[string]string{file: c.text})
			_, err := Load(c.source)
			if !errors.Is(err, c.class) || !strings.Contains(err.Error(), c.word) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v", err)
			}
		})
	}
	f := &File{}
	bad := "lots"
	f.Containers.ShmSize = &bad
	if _, err := f.Defaults(); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("shm_size: %v", err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("[containers]\nenv = [\"A=1\", {append=true}]\n")
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "c.conf")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var file File
		if err := file.read(path, true); err != nil && !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("class of %v", err)
		}
	})
}
