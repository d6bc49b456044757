package libpod

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.podman.io/storage/types"

	"github.com/manager-project/manager/internal/embedded"
	"github.com/manager-project/manager/internal/version"
	"github.com/manager-project/manager/libpod/doctor"
	"github.com/manager-project/manager/pkg/conf"
	"github.com/manager-project/manager/pkg/rootless"
)

// Doctor is this machine as its probes see it, with the store and the configuration that the options name. It
// opens and makes nothing, and works where no other command does.
func Doctor(o Options) *doctor.Env {
	e := doctor.Options{Programs: func() error { return nil }, Self: embedded.Self()}
	c, confErr := conf.Load(conf.Source{Getenv: os.Getenv, Rootless: rootless.Active(), Modules: o.Modules})
	if confErr != nil {
		c = &conf.File{}
	}
	store, storeErr := storeOptions()
	given := os.Getenv(runtimeDirVariable)
	e.Getenv = func(name string) string {
		if name == runtimeDirVariable {
			return given
		}
		return os.Getenv(name)
	}
	if rootless.Active() {
		showRuntimeDir()
	}
	e.Settings = []doctor.Setting{
		{Name: "containers.conf", Check: func() error {
			if confErr != nil {
				return confErr
			}
			if _, err := c.Defaults(); err != nil {
				return err
			}
			_, err := (&Runtime{options: o, conf: c}).chooseRuntime()
			return err
		}},
		{Name: "storage.conf", Check: func() error { return storeErr }},
	}
	e.GraphRoot, e.RunRoot = cmp.Or(o.Root, store.GraphRoot, "/var/lib/containers/storage"), cmp.Or(o.RunRoot, store.RunRoot, "/run/containers/storage")
	e.Driver = cmp.Or(o.StorageDriver, store.GraphDriverName)
	e.TempDir = cmp.Or(os.Getenv("TMPDIR"), stringOf(c.Engine.ImageCopyTmpDir), "/var/tmp")
	if !strings.HasPrefix(e.TempDir, "/") {
		e.TempDir = "" // "storage": below the store
	}
	e.Profile, e.SeccompProfile = stringOf(c.Containers.AppArmorProfile), stringOf(c.Containers.SeccompProfile)
	e.Programs = func() error {
		return embedded.Check(filepath.Join(e.GraphRoot, "manager/programs"), filepath.Join(e.RunRoot, "manager/programs"))
	}
	if t, err := time.Parse(time.RFC3339, version.BuildTime); err == nil {
		e.Built = t
	}
	return doctor.Host(e)
}

// storeOptions reads storage.conf. The library makes a user's runtime directory if it does not find one, so it is
// shown one.
var storeOptions = sync.OnceValues(func() (types.StoreOptions, error) {
	if !rootless.Active() {
		return types.DefaultStoreOptions()
	}
	old, set := os.LookupEnv(runtimeDirVariable)
	showRuntimeDir()
	store, err := types.DefaultStoreOptions()
	if set {
		_ = os.Setenv(runtimeDirVariable, old)
	} else {
		_ = os.Unsetenv(runtimeDirVariable)
	}
	return store, err
})

const runtimeDirVariable = "XDG_RUNTIME_DIR"

// showRuntimeDir lets the libraries find a directory that is there, so that they make none and complain of none.
func showRuntimeDir() {
	dir, _ := rootless.FindRuntimeDir()
	_ = os.Setenv(runtimeDirVariable, cmp.Or(dir, "/"))
}

// FullProgramInMemory is FullProgram for who must not change anything: where the program was never unpacked, its
// file is one in memory. The caller owns it.
func FullProgramInMemory(o Options) (*os.File, error) {
	store, err := storeOptions()
	if err != nil {
		store.GraphRoot = "/nonexistent" // what is wrong with storage.conf is told by its probe
	}
	return embedded.OpenFullInMemory(filepath.Join(cmp.Or(o.Root, store.GraphRoot), "manager", "programs"))
}
