package cgroups

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
	"golang.org/x/sys/unix"
)

// Pressure is how short of memory a cgroup is before its watcher hears of it.
type Pressure string

// The levels, in version 1's words. On version 2 they are shares of two seconds in which tasks
// waited for memory: some of them for 5%, some for 15%, all for 10%.
const (
	PressureLow      Pressure = "low"
	PressureMedium   Pressure = "medium"
	PressureCritical Pressure = "critical"
)

// triggers are the levels on version 2, in microseconds. A window of 2 s needs no privilege.
// Source: kernel Documentation/accounting/psi.rst, "Monitoring for pressure thresholds".
var triggers = map[Pressure]string{
	PressureLow: "some 100000 2000000", PressureMedium: "some 300000 2000000", PressureCritical: "full 200000 2000000",
}

// NotifyOOM tells when the container ran out of memory: one value each time that it was noticed, which
// may stand for several kills. The channel is closed when the cgroup is gone or ctx is done; a receiver that
// is late misses nothing but repetitions. ErrUnsupported without a memory controller.
func (c *Cgroup) NotifyOOM(ctx context.Context) (<-chan struct{}, error) {
	if dir, ok := c.v1["memory"]; ok {
		return watchEventFD(ctx, dir, "memory.oom_control", "")
	}
	file := c.MemoryEvents()
	if file == "" {
		return nil, errdefs.Unsupported("out-of-memory events", "the cgroup controller %q is not available here", "memory")
	}
	return watchEvents(ctx, c.unified)
}

// NotifyPressure tells when memory gets short, as NotifyOOM does. ErrInvalid for an unknown level;
// ErrUnsupported where the kernel does not measure it.
func (c *Cgroup) NotifyPressure(ctx context.Context, level Pressure) (<-chan struct{}, error) {
	trigger, ok := triggers[level]
	if !ok {
		return nil, errdefs.Invalid("memory pressure", string(level), "want low, medium or critical")
	}
	if dir, ok := c.v1["memory"]; ok {
		return watchEventFD(ctx, dir, "memory.pressure_level", string(level))
	}
	file := filepath.Join(c.unified, "memory.pressure")
	if c.unified == "" || !exists(file) {
		return nil, errdefs.Unsupported("memory pressure events", "this kernel does not measure pressure").WithHint("boot it with psi=1")
	}
	return watchTrigger(ctx, file, trigger)
}

// watchEventFD asks the version 1 controller to count events of a file in an eventfd.
// Source: kernel Documentation/admin-guide/cgroup-v1/memory.rst, "OOM Control" and "Memory Pressure".
func watchEventFD(ctx context.Context, dir, file, arg string) (<-chan struct{}, error) {
	of, err := os.Open(filepath.Join(dir, file))
	if err != nil {
		return nil, notWatched(file, err)
	}
	defer func() { _ = of.Close() }()
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, err
	}
	line := fmt.Sprintf("%d %d", fd, of.Fd())
	if arg != "" {
		line += " " + arg
	}
	if err := writeFile(filepath.Join(dir, "cgroup.event_control"), line); err != nil {
		_ = unix.Close(fd)
		return nil, notWatched(file, err)
	}
	f := os.NewFile(uintptr(fd), "eventfd")
	buf := make([]byte, 8)
	return pump(ctx, f, func() (bool, error) {
		_, err := f.Read(buf)
		return exists(dir), err // the cgroup's end is an event, too
	}), nil
}

func notWatched(file string, err error) error {
	return &errdefs.Error{Op: "watch", Kind: "file", Name: file, Class: errdefs.ErrUnsupported, Cause: err}
}

// removedCheck is how often it is looked whether a cgroup is still there: kernfs tells no watcher that a
// file was removed. Source: kernel fs/kernfs/file.c, which notifies of changes only.
const removedCheck = time.Second

// watchEvents watches the version 2 counters. An event is told when the number of kills has grown
// since this began.
func watchEvents(ctx context.Context, dir string) (<-chan struct{}, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"memory.events", "cgroup.events"} {
		if _, err := unix.InotifyAddWatch(fd, filepath.Join(dir, name), unix.IN_MODIFY|unix.IN_DELETE_SELF); err != nil {
			_ = unix.Close(fd)
			return nil, notWatched(name, err)
		}
	}
	f := os.NewFile(uintptr(fd), "inotify")
	kills, _ := oomKills(dir)
	buf := make([]byte, 4096)
	return pump(ctx, f, func() (bool, error) {
		for {
			_ = f.SetReadDeadline(time.Now().Add(removedCheck))
			if _, err := f.Read(buf); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				return false, err
			}
			now, err := oomKills(dir)
			if err != nil {
				return false, err // the cgroup is gone
			}
			if now > kills {
				kills = now
				return true, nil
			}
		}
	}), nil
}

func oomKills(dir string) (uint64, error) {
	s, err := readBounded(filepath.Join(dir, "memory.events"), 4096)
	return parseFlat(s)["oom_kill"], err
}

// pump sends a value for each event that next finds, until it fails, says no, or ctx is done.
// It owns f. A value that nobody has fetched stands for those that follow.
func pump(ctx context.Context, f *os.File, next func() (bool, error)) <-chan struct{} {
	out := make(chan struct{}, 1)
	stop := context.AfterFunc(ctx, func() { _ = f.Close() })
	go func() {
		defer close(out)
		defer func() { _ = f.Close() }()
		defer stop()
		for {
			ok, err := next()
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil || !ok {
				return
			}
			select {
			case out <- struct{}{}:
			default:
			}
		}
	}()
	return out
}

// watchTrigger writes a threshold into a pressure file and polls it.
func watchTrigger(ctx context.Context, file, trigger string) (<-chan struct{}, error) {
	f, err := os.OpenFile(file, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, notWatched(file, err)
	}
	if _, err := f.WriteString(trigger + "\x00"); err != nil {
		_ = f.Close()
		return nil, notWatched(file, err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	out := make(chan struct{}, 1)
	stop := context.AfterFunc(ctx, func() { _, _ = unix.Write(wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) })
	go func() {
		defer close(out)
		defer func() { _ = f.Close() }()
		defer func() { // a wake-up that has begun must not find another file under the number
			if stop() {
				_ = unix.Close(wake)
				return
			}
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(wake), Events: unix.POLLIN}}, -1)
			_ = unix.Close(wake)
		}()
		pollTrigger(f, wake, out)
	}()
	return out, nil
}

func pollTrigger(f *os.File, wake int, out chan<- struct{}) {
	fds := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLPRI}, {Fd: int32(wake), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(fds, -1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		// An error on the file is the end of the cgroup.
		if err != nil || fds[1].Revents != 0 || fds[0].Revents&(unix.POLLERR|unix.POLLNVAL) != 0 {
			return
		}
		select {
		case out <- struct{}{}:
		default:
		}
	}
}
