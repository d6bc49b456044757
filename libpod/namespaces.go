package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/spec"
)

// findNamespaces names the files of the namespaces that the container joins, and makes the
// directory of one that it shares.
func (s *start) findNamespaces(ctx context.Context) error {
	if err := s.joinNamespaces(ctx); err != nil {
		return err
	}
	return s.shareShm()
}

// joinNamespaces names the files of the namespaces that the container joins.
func (s *start) joinNamespaces(ctx context.Context) error {
	s.facts.NamespacePaths = map[specs.LinuxNamespaceType]string{}
	for _, n := range []struct {
		kind specs.LinuxNamespaceType
		file string
		ns   spec.Namespace
	}{
		{specs.NetworkNamespace, "net", s.cfg.Net.Namespace},
		{specs.IPCNamespace, "ipc", s.cfg.Namespaces.IPC},
		{specs.PIDNamespace, "pid", s.cfg.Namespaces.PID},
		{specs.UTSNamespace, "uts", s.cfg.Namespaces.UTS},
		{specs.CgroupNamespace, "cgroup", s.cfg.Namespaces.Cgroup},
		{specs.UserNamespace, "user", spec.Namespace{Mode: s.cfg.UserNS.Mode, Target: s.cfg.UserNS.Target}},
	} {
		switch n.ns.Mode {
		case spec.NSContainer:
			pid, err := s.targetPID(ctx, n.ns.Target, n.file)
			if err != nil {
				return err
			}
			s.facts.NamespacePaths[n.kind] = fmt.Sprintf("/proc/%d/ns/%s", pid, n.file)
			if n.kind == specs.IPCNamespace {
				s.facts.ShmPath = s.rt.shmPath(n.ns.Target)
			}
		case spec.NSPath:
			s.facts.NamespacePaths[n.kind] = n.ns.Target
		default: // joins none
		}
	}
	if s.network != nil {
		file, err := s.network.Namespace()
		s.facts.NamespacePaths[specs.NetworkNamespace] = file
		return err
	}
	return nil
}

// startDependencies starts the containers whose namespaces this one joins, or that --requires
// names, if they do not run. Their locks are taken while this one's is held; that cannot cross,
// since a container depends only on older ones.
func (s *start) startDependencies(ctx context.Context) error {
	for _, id := range s.cfg.Dependencies {
		dep, err := s.rt.load(ctx, id)
		if err != nil {
			return err
		}
		if dep.current().Live() {
			continue
		}
		if _, err := s.rt.Start(ctx, id, StartOptions{dependency: true}); err != nil {
			if ctx.Err() != nil {
				return err
			}
			// Its class is not ours: it is not this container's program that may be missing.
			return s.fail("start", errdefs.ErrUnavailable, fmt.Errorf("it depends on %s: %v", dep.row.Name, err), errdefs.Hint(err))
		}
	}
	return nil
}

// targetPID is the init of a running container whose namespace is joined.
func (s *start) targetPID(ctx context.Context, id, kind string) (int, error) {
	target, err := s.rt.load(ctx, id)
	if err != nil {
		return 0, err
	}
	if !target.current().Live() || target.ending() {
		return 0, s.fail("start", errdefs.ErrState,
			fmt.Errorf("it shares the %s namespace of container %s, which does not run", kind, target.row.Name),
			fmt.Sprintf("start that one first: \"manager start %s\"", target.row.Name))
	}
	if kind == "ipc" && target.cfg.Namespaces.IPC.Mode != spec.NSShareable {
		return 0, s.fail("start", errdefs.ErrState, fmt.Errorf("the ipc namespace of container %s is private", target.row.Name),
			"run that one with --ipc shareable")
	}
	return target.row.State.PID, nil
}

// shmPath is where a container with a shareable ipc namespace has its /dev/shm on the host.
func (r *Runtime) shmPath(id string) string { return path.Join(r.paths.runDir(id), "shm") }

// namespacesOf returns the inode numbers of a process's namespaces, as ps --ns prints them.
func namespacesOf(pid int) map[string]string {
	all := map[string]string{}
	if pid <= 0 {
		return all
	}
	for key, file := range map[string]string{"Mnt": "mnt", "Net": "net", "Pidns": "pid", "User": "user", "Ipc": "ipc", "Uts": "uts", "Cgroup": "cgroup"} {
		link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, file))
		if err != nil {
			continue
		}
		_, number, _ := strings.Cut(link, "[")
		all[key] = strings.TrimSuffix(number, "]")
	}
	return all
}

// peer is another container as Decide sees it.
func (r *Runtime) peer(ctx context.Context) func(string) (*spec.Peer, error) {
	return func(name string) (*spec.Peer, error) {
		id, err := r.state.FindContainer(ctx, name)
		if err != nil {
			return nil, err
		}
		c, err := r.load(ctx, id)
		if err != nil {
			return nil, err
		}
		if c.status() == define.StatusRemoving || c.status() == define.StatusCreating {
			return nil, errors.Join(errdefs.NotFound("container", name))
		}
		return &spec.Peer{ID: id, Config: c.cfg}, nil
	}
}
