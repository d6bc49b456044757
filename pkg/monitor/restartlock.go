package monitor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A restart that is due belongs to the monitor of the start before, as long as that lives: it holds
// record locks (fcntl) on Restart.Lock, which name their holder to whoever asks, and end with it. The
// first byte says that it has a restart to carry out, the second that it does nothing else any more, so
// that it may be ended. The file's name says that no command has called the restart off, and its size, which is 0,
// that its holder has not.
const (
	restartOwned = iota
	restartWaits
)

// HeldRestart is a restart that this process has to carry out.
type HeldRestart struct{ file *os.File }

// HoldRestart takes it on. It must come before anybody can know of the restart, and the file is opened
// by nothing else in this process, because closing any descriptor of it would free the locks.
func HoldRestart(path string) (*HeldRestart, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	h := &HeldRestart{f}
	err = h.lock(restartOwned)
	if err == nil {
		err = f.Truncate(0)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return h, nil
}

func (h *HeldRestart) lock(byteNo int64) error {
	return unix.FcntlFlock(h.file.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: byteNo, Len: 1})
}

// Idle says that the process may be ended from now on, and reports whether the restart still stands.
func (h *HeldRestart) Idle() bool {
	if h.lock(restartWaits) != nil {
		return true // nobody will find us, but the restart is ours
	}
	return h.Stands()
}

// Stands reports whether nobody has called the restart off.
func (h *HeldRestart) Stands() bool {
	var st unix.Stat_t
	return unix.Fstat(int(h.file.Fd()), &st) != nil || st.Nlink > 0
}

// CallOff says for whoever comes next that the restart is not to be carried out. It needs no room on a disk.
func (h *HeldRestart) CallOff() error { return h.file.Truncate(1) }

// Free gives the restart up to the command that carries it out.
func (h *HeldRestart) Free() { _ = h.file.Close() }

// RestartCalledOff reports whether the last process that had the restart to carry out has called it off.
func RestartCalledOff(path string) bool {
	var st unix.Stat_t
	return unix.Lstat(path, &st) == nil && st.Size > 0
}

// RestartHeld reports whether a process has the restart to carry out.
func RestartHeld(path string) (bool, error) {
	f, err := openRestart(path)
	if f == nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	l, err := holder(f, restartOwned)
	return err == nil && l.Type != unix.F_UNLCK, err
}

// cancelPatience is how long a process that waits to restart a container has to end by itself.
const cancelPatience = time.Second

// CancelRestart calls a restart off and ends the process that waits for it: by SIGTERM, so that a service whose main process it
// is ends well, and by SIGKILL if that does not do. The caller holds the
// container's lock, and has written down already that nothing is to be restarted: a process that cannot
// be found finds that out when the time has come.
func CancelRestart(path string) error {
	f, err := openRestart(path)
	if f == nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	l, err := holder(f, restartWaits)
	if err != nil || l.Type == unix.F_UNLCK || l.Pid <= 0 { // of another pid namespace
		return err
	}
	fd, err := unix.PidfdOpen(int(l.Pid), 0)
	if err != nil {
		return ignoring(err, unix.ESRCH)
	}
	pidfd := os.NewFile(uintptr(fd), "pidfd")
	defer func() { _ = pidfd.Close() }()
	// The descriptor holds whichever process has the pid now; the lock says whether it is the one.
	if again, err := holder(f, restartWaits); err != nil || again.Type == unix.F_UNLCK || again.Pid != l.Pid {
		return err
	}
	if ended, err := end(fd, unix.SIGTERM, cancelPatience); ended || err != nil {
		return err
	}
	if ended, err := end(fd, unix.SIGKILL, 5*time.Second); ended || err != nil {
		return err
	}
	return fmt.Errorf("process %d, which waits to restart the container, does not die", l.Pid)
}

// end sends a signal to the process of a pidfd, and reports whether it ended within that time.
func end(pidfd int, sig unix.Signal, patience time.Duration) (bool, error) {
	if err := unix.PidfdSendSignal(pidfd, sig, nil, 0); err != nil {
		return errors.Is(err, unix.ESRCH), ignoring(err, unix.ESRCH)
	}
	for until := time.Now().Add(patience); ; {
		left := max(0, time.Until(until))
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(left.Milliseconds()))
		if n > 0 || left == 0 || err != nil && !errors.Is(err, unix.EINTR) {
			return n > 0, ignoring(err, unix.EINTR)
		}
	}
}

// openRestart returns nil when there is no such file.
func openRestart(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return f, err
}

// holder asks who holds a byte. Source: fcntl(2), F_GETLK.
func holder(f *os.File, byteNo int64) (unix.Flock_t, error) {
	l := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: byteNo, Len: 1}
	err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &l)
	return l, err
}

func ignoring(err, harmless error) error {
	if errors.Is(err, harmless) {
		return nil
	}
	return err
}
