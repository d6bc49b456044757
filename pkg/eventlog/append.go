package eventlog

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// DefaultMaxSize is the size in bytes at which the file is renamed, as Podman's
// events_logfile_max_size. As much again is kept in the file before.
const DefaultMaxSize = 1 << 20

// Log is where events are kept. The zero value keeps none.
type Log struct {
	// Path is the absolute file. Without it, and without Journal, no events are kept.
	Path string `json:"path,omitempty"`
	// MaxSize is the size in bytes at which the file is renamed to Path.1; 0 means DefaultMaxSize.
	MaxSize int64 `json:"max_size,omitempty"`
	// Journal is the socket of the system's journal, which keeps the events in the place of a file; Store is the
	// word by which those of this log are known there.
	Journal string `json:"journal,omitempty"`
	Store   string `json:"store,omitempty"`
}

// Kept says that events are kept at all.
func (l Log) Kept() bool { return l.Path != "" || l.Journal != "" }

// older is the file that was full.
func (l Log) older() string { return l.Path + ".1" }

// Append adds an event; without a time it is of now. It never waits. A failure means that the event is
// not kept, and nothing else.
func (l Log) Append(e Event) error {
	if !l.Kept() {
		return nil
	}
	if e.TimeNano == 0 {
		e.SetTime(time.Now())
	}
	if l.Journal != "" {
		return l.send(&e)
	}
	return l.AppendLine(e.line())
}

// AppendLine adds a line that is no event, for a log of another kind. It ends in a newline, and is
// shorter than 64 KiB.
func (l Log) AppendLine(line []byte) error {
	if err := l.append(line); err != nil {
		return fmt.Errorf("log %s: %w", l.Path, err)
	}
	return nil
}

// tries is how often a file that was renamed meanwhile is opened again.
const tries = 10

func (l Log) append(line []byte) error {
	for try := 1; ; try++ {
		fd, err := unix.Open(l.Path, unix.O_RDWR|unix.O_APPEND|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return err
		}
		done, err := l.appendTo(fd, line, try == tries)
		_ = unix.Close(fd) // ends the lock too
		if done || err != nil {
			return err
		}
	}
}

// appendTo writes the line unless the file is, or must be, renamed. With last it writes in any case.
func (l Log) appendTo(fd int, line []byte, last bool) (done bool, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return false, err
	}
	if !last && l.full(&st, len(line)) && l.rename(fd, &st) {
		return false, nil
	}
	// After a rename that others prevented, the lock is taken anew: changing it may have lost it.
	if held := unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB) == nil && l.isCurrent(&st); !held && !last {
		return false, nil
	}
	if torn(fd) {
		line = append([]byte{'\n'}, line...)
	}
	n, err := write(fd, line)
	if err == nil && n < len(line) {
		err = unix.ENOSPC // the only reason to write less into a file
	}
	return true, err
}

func (l Log) full(st *unix.Stat_t, more int) bool {
	limit := l.MaxSize
	if limit <= 0 {
		limit = DefaultMaxSize
	}
	return st.Size > 0 && st.Size+int64(more) > limit
}

// rename makes the full file the older one. It leaves that to the next when others are writing; the
// file grows by their lines then.
func (l Log) rename(fd int, st *unix.Stat_t) bool {
	return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) == nil && l.isCurrent(st) && unix.Rename(l.Path, l.older()) == nil
}

// isCurrent reports whether an opened file is still the one that is written to.
func (l Log) isCurrent(st *unix.Stat_t) bool {
	var now unix.Stat_t
	return unix.Lstat(l.Path, &now) == nil && now.Ino == st.Ino && now.Dev == st.Dev
}

// torn reports whether the last line of a file has no end.
func torn(fd int) bool {
	size, err := unix.Seek(fd, 0, unix.SEEK_END)
	if err != nil || size == 0 {
		return false
	}
	var last [1]byte
	n, err := unix.Pread(fd, last[:], size-1)
	return err == nil && n == 1 && last[0] != '\n'
}

func write(fd int, line []byte) (int, error) {
	for {
		n, err := unix.Write(fd, line)
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}
