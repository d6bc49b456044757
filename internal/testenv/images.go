package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
)

// recipeVersion changes the names in the cache when a recipe below changes.
const recipeVersion = "1"

// A recipe says how an image is made from the Debian root.
type recipe struct {
	// packages are installed on top; none makes the bare root.
	packages []string
	// script runs inside the root after that, with sh -e; "" runs nothing.
	script string
	config imgspec.ImageConfig
}

const debianPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// recipes are the images made from Debian packages.
var recipes = map[string]recipe{
	"debian": {config: imgspec.ImageConfig{Env: []string{debianPath}, Cmd: []string{"bash"}}},
	"nginx": {
		packages: []string{"nginx"},
		script: `ln -sf /dev/stdout /var/log/nginx/access.log
			ln -sf /dev/stderr /var/log/nginx/error.log
			echo hello from nginx >/var/www/html/index.html`,
		config: imgspec.ImageConfig{
			Env: []string{debianPath}, Cmd: []string{"nginx", "-g", "daemon off;"},
			ExposedPorts: map[string]struct{}{"80/tcp": {}}, StopSignal: "SIGQUIT",
		},
	},
	"redis": {
		packages: []string{"redis-server"},
		script:   `mkdir /data && chown redis:redis /data`,
		config: imgspec.ImageConfig{
			Env: []string{debianPath}, User: "redis", WorkingDir: "/data",
			Cmd:          []string{"redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--dir", "/data"},
			ExposedPorts: map[string]struct{}{"6379/tcp": {}}, Volumes: map[string]struct{}{"/data": {}},
		},
	},
	"postgres": {
		packages: []string{"postgresql"},
		script: `ln -s /usr/lib/postgresql/*/bin /usr/local/pgsql
			cat >/usr/local/bin/entrypoint <<'END'
#!/bin/sh
set -e
if [ "$(id -u)" = 0 ]; then
	mkdir -p "$PGDATA" /run/postgresql
	chown -R postgres:postgres "$PGDATA" /run/postgresql
	chmod 700 "$PGDATA"
	exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
	initdb --auth=trust --no-sync >/dev/null
	echo "host all all all trust" >>"$PGDATA/pg_hba.conf"
fi
exec "$@"
END
			chmod 755 /usr/local/bin/entrypoint`,
		config: imgspec.ImageConfig{
			Env:        []string{"PATH=/usr/local/pgsql:/usr/local/bin:/usr/bin:/bin", "PGDATA=/var/lib/postgresql/data"},
			Entrypoint: []string{"/usr/local/bin/entrypoint"}, Cmd: []string{"postgres", "-h", "0.0.0.0"},
			ExposedPorts: map[string]struct{}{"5432/tcp": {}}, StopSignal: "SIGINT",
			Volumes: map[string]struct{}{"/var/lib/postgresql/data": {}},
		},
	},
}

// Image returns the path of a docker-archive with the image of that name: "busybox",
// "debian", "nginx", "redis" or "postgres", tagged localhost/NAME:latest. The first use on a
// machine builds it (busybox at once, the others in up to a minute each); later uses and
// other processes take it from the cache. The file belongs to the cache: do not write to it.
//
// The test is skipped when a program that the building needs is missing or, for all but
// busybox, when the test does not run as root.
func Image(t testing.TB, name string) string {
	t.Helper()
	path, err := BuildImage(name)
	failOrSkip(t, err)
	return path
}

// BuildImage is Image for callers without a test.
func BuildImage(name string) (string, error) {
	build := func() (string, error) { return debianArchive(name) }
	if name == "busybox" {
		build = busyboxArchive
	}
	path, err := build()
	if err != nil {
		return "", fmt.Errorf("image %s: %w", name, err)
	}
	return path, nil
}

// failOrSkip ends the test on an error: skipped if the machine lacks something.
func failOrSkip(t testing.TB, err error) {
	t.Helper()
	switch {
	case errors.Is(err, errMissing):
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
}

// RootfsTar returns the path of a tar with busybox's root filesystem, for bundles and for
// "import". It belongs to the cache.
func RootfsTar(t testing.TB) string {
	t.Helper()
	path, err := BuildRootfsTar()
	failOrSkip(t, err)
	return path
}

// BuildRootfsTar is RootfsTar for callers without a test.
func BuildRootfsTar() (string, error) { return busyboxLayer() }

// debianArchive makes the archive of one recipe: the shared base and, with packages, the
// difference as a second layer.
func debianArchive(name string) (string, error) {
	r, ok := recipes[name]
	if !ok {
		return "", errors.New("there is no such fixture")
	}
	if err := programsThere("debootstrap", "unshare", "chroot"); err != nil {
		return "", err
	}
	source, err := findMirror()
	if err != nil {
		return "", err
	}
	base := key(recipeVersion, source.suite, source.uri)
	archive := name + "-" + key(append([]string{base, r.script, configText(&r.config)}, r.packages...)...)
	return cached(archive+".tar", func(path string) error {
		if os.Geteuid() != 0 {
			return fmt.Errorf("%w: building a Debian image needs root", errMissing)
		}
		root, err := cached("debian-root-"+base, source.bootstrap)
		if err != nil {
			return err
		}
		layers, err := r.layers(root, path+".d")
		if err == nil {
			err = writeArchive(path, "localhost/"+name+":latest", &r.config, layers)
		}
		if removed := os.RemoveAll(path + ".d"); err == nil {
			err = removed
		}
		return err
	})
}

// layers writes the recipe's layers, working in dir, which the caller removes.
func (r *recipe) layers(base, dir string) ([]string, error) {
	lower := base + ".tar"
	lower, err := cached(filepath.Base(lower), func(path string) error { return layerFile(path, base, "") })
	if err != nil || len(r.packages) == 0 {
		return []string{lower}, err
	}
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	root := filepath.Join(dir, "root")
	if err := run(exec.Command("cp", "-a", base, root)); err != nil {
		return nil, err
	}
	if err := install(root, r.packages, r.script); err != nil {
		return nil, err
	}
	upper := filepath.Join(dir, "upper.tar")
	return []string{lower, upper}, layerFile(upper, root, base)
}

// layerFile writes a layer to a new file.
func layerFile(path, root, base string) error {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := writeLayer(out, root, base); err != nil {
		return err
	}
	return out.Close()
}
