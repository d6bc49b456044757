package libpod

import (
	"context"
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/libpod/oci"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/lookup"
	"github.com/manager-project/manager/pkg/spec"
)

// lookUpUser finds the process's user in the mounted root filesystem.
func (s *start) lookUpUser(context.Context) error {
	u, err := lookUp(s.facts.RootfsPath, s.cfg.Process.User, s.cfg.Process.GroupAdd)
	if err != nil {
		return err
	}
	if err := s.fitUser(&u, s.cfg.Process.User); err != nil {
		return err
	}
	s.nameCaller(&u)
	s.user = u
	s.facts.User = spec.UserFacts{UID: u.UID, GID: u.GID, Additional: u.Additional, Home: u.Home}
	return s.chownVolumes()
}

func lookUp(rootfs, user string, groups []string) (lookup.User, error) {
	root, err := os.OpenFile(rootfs, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return lookup.User{}, err
	}
	defer func() { _ = root.Close() }()
	u, err := lookup.Resolve(root, user, groups)
	if err != nil && errdefs.Hint(err) == "" {
		return u, &errdefs.Error{Op: "--user", Name: user, Cause: err, Hint: "name a user of the image, or give numbers: --user UID:GID"}
	}
	return u, err
}

// execRequest compiles what the user asked exec for, over what the container's first process has.
func (c *container) execRequest(o ExecOptions, pidfd *os.File) (oci.ExecRequest, error) {
	req := oci.ExecRequest{ID: c.row.ID, Bundle: c.rt.paths.runDir(c.row.ID), PID: c.row.State.PID, PIDFD: pidfd, Cgroup: c.row.State.CgroupPath}
	if len(o.Command) == 0 {
		return req, errdefs.Invalid("exec", "", "no command given").WithHint("write the command after the container")
	}
	// The container's own root, through its init: what it sees now, not what was mounted at its start.
	user := first(o.User, c.cfg.Process.User)
	u, err := lookUp(fmt.Sprintf("/proc/%d/root", c.row.State.PID), user, c.cfg.Process.GroupAdd)
	if err != nil {
		return req, err
	}
	if err := c.fitUser(&u, user); err != nil {
		return req, err
	}
	p, base, err := spec.GenerateExec(c.cfg, spec.ExecFacts{
		Command: o.Command, Env: o.Env, EnvFile: o.EnvFile, Workdir: o.Workdir, Privileged: o.Privileged, TTY: o.TTY,
		User:    spec.UserFacts{UID: u.UID, GID: u.GID, Additional: u.Additional, Home: u.Home},
		Environ: os.Environ(), ReadFile: readUserFile, Rlimits: hardLimits(), UserGiven: o.User != "",
	})
	if err != nil {
		return req, err
	}
	req.Process, req.Spec = p, base
	if !o.Privileged && !c.cfg.Security.Privileged {
		if req.Spec.Linux.Seccomp, err = c.seccomp(); err != nil {
			return req, err
		}
	}
	req.ExtraFiles, err = inherit(o.PreserveFDs)
	return req, err
}

func (c *container) seccomp() (*specs.LinuxSeccomp, error) {
	return spec.Seccomp(&c.cfg.Security)
}
