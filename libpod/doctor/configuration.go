package doctor

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
)

// probeConfiguration reads the configuration files as the commands do.
func probeConfiguration(ctx context.Context, e *Env) []Finding {
	var found []Finding
	for _, s := range e.Settings {
		err := s.Check()
		if errors.Is(err, fs.ErrPermission) && e.rootless() && probeHome(ctx, e)[0].Status == Broken {
			continue // that is why
		}
		if err != nil {
			cure := errdefs.Hint(err)
			if cure == "" {
				cure = "correct the file, or remove it"
			}
			found = append(found, broken(s.Name+": "+strings.TrimPrefix(err.Error(), s.Name+": "), "no command that reads it works", cure))
		}
	}
	for _, file := range e.credentials() {
		o, err := e.stat(file)
		if err != nil || o.mode.Perm()&0o077 == 0 || o.uid != e.UID {
			continue
		}
		f := poor(file+" can be read by others", "it holds passwords of registries", "chmod 600 "+file)
		f.fix = func(_ context.Context, e *Env) (string, error) {
			return "changed the mode of " + file + " to 0600", e.Chmod(file, 0o600)
		}
		found = append(found, f)
	}
	return orWell(found, "all files are understood")
}

// credentials are the files that may hold some. Source: containers-auth.json(5).
func (e *Env) credentials() []string {
	var all []string
	for _, dir := range []string{e.RuntimeDir, "/run"} {
		if dir != "" {
			all = append(all, path.Join(dir, "containers/auth.json"))
		}
	}
	if e.Home != "" {
		all = append(all, path.Join(e.Home, ".config/containers/auth.json"), path.Join(e.Home, ".docker/config.json"))
	}
	return uniq(append(all, e.Getenv("REGISTRY_AUTH_FILE"))...)
}

// probeProgram looks at the other programs of ours that are installed.
func probeProgram(_ context.Context, e *Env) []Finding {
	if err := e.Programs(); err != nil {
		cure := errdefs.Hint(err)
		if cure == "" {
			cure = "install manager again"
		}
		return []Finding{broken(err.Error(), "containers cannot be started", cure)}
	}
	return []Finding{well("the programs are complete")}
}
