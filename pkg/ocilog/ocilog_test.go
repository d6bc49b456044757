package ocilog

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
)

func TestLast(t *testing.T) {
	for name, c := range map[string]struct{ log, want string }{
		"empty":         {"", ""},
		"crun":          {`{"msg":"open executable: Permission denied","level":"error","time":"2026-01-02T03:04:05.6Z"}` + "\n", "open executable: Permission denied"},
		"runc":          {`{"level":"error","msg":"runc create failed: x","time":"2026-01-02T03:04:05Z"}`, "runc create failed: x"},
		"last of two":   {`{"level":"error","msg":"one"}` + "\n" + `{"level":"error","msg":"two"}` + "\n" + `{"level":"warning","msg":"three"}` + "\n", "two"},
		"warnings only": {`{"level":"warning","msg":"w"}` + "\n" + `{"level":"info","msg":"i"}`, ""},
		"fatal":         {`{"level":"fatal","msg":"f"}`, "f"},
		"not JSON":      {"nonsense\n" + `{"level":"error","msg":"yes"}` + "\n{\"level\":", "yes"},
		"empty text":    {`{"level":"error","msg":"why"}` + "\n" + `{"level":"error","msg":""}`, "why"},
		"more lines":    {`{"level":"error","msg":"a\n\tb\u001b[31m c\u0000"}`, "a b [31m c"},
		"wrong types":   {`{"level":3,"msg":"x"}` + "\n" + `[1]` + "\n" + `{"level":"error","msg":{}}`, ""},
	} {
		if got := Last([]byte(c.log)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestReadIsBounded(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	text := `{"level":"error","msg":"early"}` + "\n" + strings.Repeat(`{"level":"info","msg":"padding"}`+"\n", 100_000)
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(path, text)
	if got := Read(path, 0); got != "" {
		t.Errorf("read %q from beyond the bound", got)
	}
	write(path, text+`{"level":"error","msg":"`+strings.Repeat("x", 10_000)+`"}`)
	if got := Read(path, 0); got != strings.Repeat("x", maxText) {
		t.Errorf("%d bytes", len(got))
	}
	write(path, `{"level":"error","msg":"old"}`+"\n")
	if got := Read(path, 0); got != "old" {
		t.Errorf("%q", got)
	}
	if got := Read(path, 30); got != "" {
		t.Errorf("%q from before the offset", got)
	}
	if err := os.Symlink(path, path+".link"); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(path+".fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{path + ".link", path + ".fifo", path + ".absent", dir} {
		if got := Read(other, 0); got != "" {
			t.Errorf("%s: %q", other, got)
		}
	}
}

// The texts are what crun 1.8.1 and runc 1.1.5 write.
func TestExplain(t *testing.T) {
	const exec = launch.StageExec
	for text, want := range map[string]struct {
		stage string
		errno syscall.Errno
		code  int
	}{
		"executable file `nosuch` not found in $PATH: No such file or directory":                                    {exec, unix.ENOENT, 127},
		"executable file `/nosuch` not found in $PATH: No such file or directory":                                   {exec, unix.ENOENT, 127},
		`runc create failed: unable to start container process: exec: "nosuch": executable file not found in $PATH`: {exec, unix.ENOENT, 127},
		`runc create failed: unable to start container process: exec: "/x": stat /x: no such file or directory`:     {exec, unix.ENOENT, 127},
		`exec failed: unable to start container process: exec: "/x": stat /x: no such file or directory`:            {exec, unix.ENOENT, 127},
		"executable path is empty":                 {exec, unix.ENOENT, 127},
		"open executable: Permission denied":       {exec, unix.EACCES, 126},
		"open executable: Operation not permitted": {exec, unix.EPERM, 126},
		"open executable: Not a directory":         {exec, unix.ENOTDIR, 127},
		`runc create failed: unable to start container process: exec: "/plain": permission denied`:               {exec, unix.EACCES, 126},
		`exec: "/plain/x": stat /plain/x: not a directory`:                                                       {exec, unix.ENOTDIR, 127},
		"exec container process `/noformat`: Exec format error":                                                  {exec, unix.ENOEXEC, 126},
		"exec prog: exec format error":                                                                           {exec, unix.ENOEXEC, 126},
		`exec: "x": something new`:                                                                               {exec, 0, 126},
		"error stat'ing file `/nosuchsource`: No such file or directory":                                         {StageRuntime, 0, 125},
		`error during container init: error mounting "/s" to rootfs at "/x": stat /s: no such file or directory`: {StageRuntime, 0, 125},
		"capset: Operation not permitted":                                                                        {StageRuntime, unix.EPERM, 125},
		"write `/run/x`: No space left on device":                                                                {StageRuntime, unix.ENOSPC, 125},
		"unknown version specified":                                                                              {StageRuntime, 0, 125},
		"permission denied to do something else":                                                                 {StageRuntime, 0, 125},
		"":                                                                                                       {StageRuntime, 0, 125},
	} {
		f := Explain(text, "crun", "prog")
		if f.Stage != want.stage || f.Errno != want.errno || f.ExitCode() != want.code {
			t.Errorf("%s: %+v, exit code %d", text, f, f.ExitCode())
		}
		if path := map[bool]string{true: "prog", false: "crun"}[f.Stage == exec]; f.Path != path {
			t.Errorf("%s: path %q", text, f.Path)
		}
		if f.Stage == StageRuntime && f.Detail != text {
			t.Errorf("%s: the runtime's words became %q", text, f.Detail)
		}
	}
}

func FuzzLog(f *testing.F) {
	f.Add([]byte(`{"level":"error","msg":"exec: \"x\": permission denied"}`), "x")
	f.Add([]byte("{\"level\":\"error\",\"msg\":\"a\\u0000\\nb\"}\n{"), "")
	f.Add([]byte("\xff\xfe\n\n{}{}"), "sh")
	f.Fuzz(func(t *testing.T, log []byte, program string) {
		text := Last(log)
		if len(text) > maxText || strings.ContainsAny(text, "\n\x00\x1b") || !utf8.ValidString(text) {
			t.Errorf("text %q", text)
		}
		if code := Explain(text, "runtime", program).ExitCode(); code < 125 || code > 127 {
			t.Errorf("exit code %d", code)
		}
	})
}
