// Package ocilog reads the log that programs with runc's command line write when they are called
// with --log FILE --log-format json, and makes a fact of the last error in it.
//
// A line is one object with the keys level, msg and time. What else a runtime writes there is
// skipped. The texts are the runtimes' own, so they are looked at for a few well-known phrases only:
// those with which runc, crun and their relatives say that the user's program is not there (exit code
// 127) or cannot be executed (126). A missing mount source reads "no such file or directory" too and
// must not become 127: the phrase counts only where the sentence speaks of the program.
package ocilog

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
)

const (
	// maxLog is how many bytes at the log's end are read: the last error is what counts.
	maxLog = 64 << 10
	// maxText bounds an error's text in bytes.
	maxText = 2 << 10
)

// StageRuntime is the stage of a failure that is the runtime's and not the program's.
const StageRuntime = "runtime"

// Read returns the last error of a log file from offset on, or "": also for a file that is not
// there. Links are not followed.
func Read(path string, offset int64) string {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return ""
	}
	offset = max(offset, st.Size()-maxLog)
	raw, err := io.ReadAll(io.NewSectionReader(f, offset, maxLog))
	if err != nil {
		return ""
	}
	return Last(raw)
}

// Last returns the text of the last line of level error or worse, on one line and bounded, or "".
func Last(log []byte) string {
	last := ""
	for line := range bytes.Lines(log) {
		var entry struct {
			Level string `json:"level"`
			Msg   string `json:"msg"`
		}
		if json.Unmarshal(line, &entry) != nil {
			continue
		}
		switch entry.Level {
		case "error", "fatal", "panic":
			if text := OneLine(entry.Msg); text != "" {
				last = text
			}
		}
	}
	return last
}

// OneLine makes one printable line of a program's words and bounds it.
func OneLine(text string) string {
	if len(text) > maxText {
		text = text[:maxText]
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return ' '
		}
		return r
	}, text)
	return strings.Join(strings.Fields(text), " ")
}

// errnos are the kernel's answers as C and Go programs print them, in lower case.
var errnos = []struct {
	text  string
	errno syscall.Errno
}{
	{"permission denied", unix.EACCES},
	{"operation not permitted", unix.EPERM},
	{"no such file or directory", unix.ENOENT},
	{"not a directory", unix.ENOTDIR},
	{"is a directory", unix.EISDIR},
	{"exec format error", unix.ENOEXEC},
	{"text file busy", unix.ETXTBSY},
	{"argument list too long", unix.E2BIG},
	{"too many levels of symbolic links", unix.ELOOP},
	{"no space left on device", unix.ENOSPC},
}

// Explain turns a runtime's error text into a failure. runtime is its name, program the first word of
// what the user wants to run.
func Explain(text, runtime, program string) *launch.Failure {
	lower := strings.ToLower(text)
	errno := errnoOf(lower)
	switch {
	case strings.Contains(lower, "executable file") && strings.Contains(lower, "not found"),
		strings.Contains(lower, "executable path is empty"):
		return &launch.Failure{Stage: launch.StageExec, Path: program, Errno: unix.ENOENT}
	case strings.Contains(lower, "open executable"), strings.Contains(lower, `exec: "`),
		strings.Contains(lower, "exec container process"), program != "" && strings.Contains(text, "exec "+program+":"):
		f := &launch.Failure{Stage: launch.StageExec, Path: program, Errno: errno}
		if errno == 0 {
			f.Detail = text
		}
		return f
	}
	if !errors.Is(errno, os.ErrPermission) && errno != unix.ENOSPC {
		errno = 0
	}
	return &launch.Failure{Stage: StageRuntime, Path: runtime, Errno: errno, Detail: text}
}

// errnoOf finds the kernel's answer at the end of a sentence, where both C and Go programs put it.
func errnoOf(lower string) syscall.Errno {
	for _, e := range errnos {
		if strings.HasSuffix(lower, e.text) {
			return e.errno
		}
	}
	return 0
}
