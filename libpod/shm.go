package libpod

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/spec"
)

// shareShm mounts the /dev/shm of a container with a shareable ipc namespace on the host, where
// those who join find it. It goes with the run directory.
func (s *start) shareShm() error {
	if s.cfg.Namespaces.IPC.Mode != spec.NSShareable {
		return nil
	}
	dir := s.rt.shmPath(s.row.ID)
	if err := mkdir(dir); err != nil {
		return err
	}
	if err := unix.Mount("shm", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, shmOptions(s.cfg)); err != nil {
		return fmt.Errorf("mount /dev/shm: %w", err)
	}
	s.facts.ShmPath = dir
	return nil
}
