package monitor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
)

// The names of the files in a run directory.
const (
	LockFile   = "monitor.lock"
	SocketFile = "attach.sock"
	LiveFile   = "live.json"
	ExitFile   = "exit.json"
	// NameFile is the container's name since it was renamed; usually there is none.
	NameFile = "name"
	// LossFile is the LogLoss of a start whose log lost something; usually there is none.
	LossFile = "log-loss.json"
	// SpareFile becomes ExitFile when the disk is full at the end: its room is taken at the start.
	SpareFile = "exit.spare"
)

// maxRecord bounds live.json and exit.json, in bytes: both are far smaller.
const maxRecord = 1 << 20

// Alive says whether a monitor holds the lock of the run directory. It never waits. A directory or
// lock file that does not exist is not alive.
func Alive(runDir string) (bool, error) {
	fd, err := unix.Open(filepath.Join(runDir, LockFile), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("monitor lock in %s: %w", runDir, err)
	}
	defer func() { _ = unix.Close(fd) }()
	// A shared lock, so that two who ask at once do not take each other for the monitor. A monitor
	// that starts in this moment tries again.
	err = unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("monitor lock in %s: %w", runDir, err)
	}
	return false, nil
}

// ReadLive reads live.json. Its class is ErrNotFound when no init was prepared yet, ErrCorrupt
// when the file is not what a monitor writes. It does not say that anything runs: ask Alive.
func ReadLive(runDir string) (Live, error) {
	var l Live
	return l, readRecord(runDir, LiveFile, &l)
}

// ReadExit reads exit.json, with the classes of ReadLive.
func ReadExit(runDir string) (ExitRecord, error) {
	var e ExitRecord
	return e, readRecord(runDir, ExitFile, &e)
}

// ReadLogLoss reads log-loss.json, with the classes of ReadLive.
func ReadLogLoss(dir string) (LogLoss, error) {
	var l LogLoss
	return l, readRecord(dir, LossFile, &l)
}

func readRecord(runDir, name string, v any) error { return readBounded(runDir, name, maxRecord, v) }

// readBounded reads a record of at most so many bytes.
func readBounded(runDir, name string, most int64, v any) error {
	path := filepath.Join(runDir, name)
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return errdefs.NotFound("monitor record", path)
	}
	if err != nil {
		return err
	}
	if st.Size() > most {
		return errdefs.New(errdefs.ErrCorrupt, "monitor record", path, "%d bytes long", st.Size())
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return errdefs.NotFound("monitor record", path)
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return errdefs.New(errdefs.ErrCorrupt, "monitor record", path, "%w", err)
	}
	return nil
}
