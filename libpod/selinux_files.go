package libpod

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/selinux"
	"github.com/manager-project/manager/pkg/spec"
)

// relabel gives the source of a mount with z or Z the label that it asks for, each time the container starts: files may
// have come to it meanwhile.
func (s *start) relabel(source string, m *spec.Mount) error {
	label := s.cfg.Security.MountLabel
	if m.Relabel == "" || label == "" {
		return nil
	}
	if m.Relabel == "z" {
		label = selinux.Shared(label)
	}
	return selinux.Relabel(source, label)
}

// labelVolume labels a new volume's directory for all containers. What is made in it later inherits that.
func labelVolume(path string) error { return selinux.Set(path, selinux.SharedFiles()) }

// labelVolumeTree does so with what was copied into a new volume.
func labelVolumeTree(path string) error {
	label := selinux.SharedFiles()
	if label == "" {
		return nil
	}
	f, err := os.OpenFile(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return selinux.RelabelTree(f, label)
}

// shareLabel lets other containers too have a file of a run directory.
func (s *start) shareLabel(path string) error {
	label := s.cfg.Security.MountLabel
	if label == "" {
		return nil
	}
	return selinux.Set(path, selinux.Shared(label))
}

// labelInit lets the container execute the small program as its init, if it is our own file and has the label of a
// directory for state. An installed one has that of the system's programs.
func (s *start) labelInit(path string) error {
	process := s.cfg.Security.ProcessLabel
	if process == "" || filepath.Dir(path) != s.rt.paths.programs {
		return nil
	}
	if ok, err := selinux.Allowed(process, selinux.Label(path), "file", "entrypoint"); err != nil || ok {
		//lint:ignore nilerr a policy that cannot be asked keeps its labels
		return nil
	}
	return selinux.Set(path, selinux.Program())
}

// pipeLabel is the label of pipes that the monitor makes for the container; "" where it may use those with the monitor's own
// label. In a user's login that has all categories, in a service none.
func (c *container) pipeLabel() string {
	process := c.cfg.Security.ProcessLabel
	if process == "" {
		return ""
	}
	if ok, err := selinux.Allowed(process, selinux.Current(), "fifo_file", "write"); err == nil && ok {
		return ""
	}
	return c.cfg.Security.MountLabel
}

// hasLabelledPipes says whether the running container's first process has pipes that were made for pipeLabel.
func (c *container) hasLabelledPipes() bool {
	for fd := range 3 {
		path, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", c.row.State.PID, fd))
		if err == nil && strings.HasPrefix(path, filepath.Join(c.rt.paths.runDir(c.row.ID), "pipe-")) {
			return true
		}
	}
	return false
}

// shmOptions are those of a shared /dev/shm.
func shmOptions(cfg *spec.Config) string {
	options := fmt.Sprintf("mode=1777,size=%d", cfg.ShmSize)
	label, option := cfg.Security.MountLabel, "context"
	if label == "" {
		return options
	}
	if cfg.Security.LabelNested() {
		option = "rootcontext"
	}
	return options + fmt.Sprintf(",%s=%q", option, label)
}
