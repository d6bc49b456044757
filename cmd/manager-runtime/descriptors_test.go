package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/testenv"
)

// texts makes files with a text each, to be inherited.
func texts(t *testing.T, all ...string) []*os.File {
	t.Helper()
	var files []*os.File
	for _, text := range all {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		files = append(files, f)
	}
	return files
}

// descriptors prints which are open; the last one is of the directory that is read.
const descriptors = `echo $(ls /proc/self/fd)`

// TestDescriptors leaks none and passes those on that were asked for.
func TestDescriptors(t *testing.T) {
	o := newRuntime(t)
	start(t, o, "c")
	for _, c := range []struct {
		name, options, want, script string
		env                         []string
	}{
		{"none", "", "0 1 2 3", descriptors, nil},
		{"preserved", "--preserve-fds 2", "0 1 2 3 4 5", descriptors, nil},
		{"content", "--preserve-fds 2", "first second", "echo $(cat <&3) $(cat <&4)", nil},
		{"listen", "", "first 1 1", "echo $(cat <&3) $LISTEN_FDS $LISTEN_PID", []string{"LISTEN_FDS=1"}},
		{"both", "--preserve-fds=1", "0 1 2 3 4 5 1", descriptors + " $LISTEN_FDS", []string{"LISTEN_FDS=1"}},
		{"another's", "", "0 1 2 3", descriptors + " $LISTEN_FDS", []string{"LISTEN_FDS=1", "LISTEN_PID=1"}},
	} {
		script := []string{"sh", "-c", c.script}
		for verb, args := range map[string][]string{
			"run":  append(append([]string{"run", "--bundle", o.Bundle(t, "r", script)}, strings.Fields(c.options)...), "r"),
			"exec": append(append(append([]string{"exec"}, strings.Fields(c.options)...), "c"), script...),
		} {
			r := o.Do(t, testenv.OCICommand{Args: args, Env: c.env, Files: texts(t, "first", "second")})
			if r.Code != 0 || strings.TrimSpace(r.Stdout) != c.want {
				t.Errorf("%s %s: %+v, want %q", verb, c.name, r, c.want)
			}
		}
	}
	o.Must(t, "delete", "--force", "c")
	r := o.Do(t, testenv.OCICommand{Args: []string{"run", "--bundle", o.Bundle(t, "r", sleeper), "--preserve-fds", "3", "r"}, Files: texts(t, "a", "b")})
	if r.Code != 1 || !strings.Contains(r.Stderr, "descriptor 5 is not open") {
		t.Errorf("one too many: %+v", r)
	}
	nothing(t, o, "one too many")
}

// manager of services: it listens as systemd does, and answers barriers.
type serviceManager struct {
	path     string
	messages chan string
}

func newServiceManager(t *testing.T) *serviceManager {
	t.Helper()
	dir, err := os.MkdirTemp("", "notify") // short: it is an address
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &serviceManager{path: filepath.Join(dir, "s"), messages: make(chan string, 64)}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: s.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buf, oob := make([]byte, 4096), make([]byte, 256)
		for {
			n, oobn, _, _, err := conn.ReadMsgUnix(buf, oob)
			if err != nil {
				return
			}
			if msgs, err := unix.ParseSocketControlMessage(oob[:oobn]); err == nil {
				for i := range msgs {
					fds, _ := unix.ParseUnixRights(&msgs[i])
					for _, fd := range fds {
						_ = unix.Close(fd) // that is the answer to a barrier
					}
				}
			}
			s.messages <- string(buf[:n])
		}
	}()
	return s
}

func (s *serviceManager) next(t *testing.T) string {
	t.Helper()
	for {
		select {
		case m := <-s.messages:
			if m != "BARRIER=1" {
				return strings.TrimSpace(m)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("no message came")
		}
	}
}

// TestNotify waits for readiness in start and run, and tells the pid as the host knows it.
func TestNotify(t *testing.T) {
	o := newRuntime(t)
	if err := buildStatic("./testdata/notify", filepath.Join(o.Rootfs, "bin/notify")); err != nil {
		t.Fatal(err)
	}
	script := []string{"sh", "-c", "sleep 0.3; notify READY=1 STATUS=well MAINPID=1; exec sleep 1000"}
	s := newServiceManager(t)
	env := []string{"NOTIFY_SOCKET=" + s.path}
	pid := func(id string) string { b, _ := os.ReadFile(filepath.Join(o.Dir, id)); return string(b) }
	r := o.Do(t, testenv.OCICommand{Args: []string{"create", "--bundle", o.Bundle(t, "c", script), "--pid-file", "c", "c"}, Env: env})
	if r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	if r := o.Do(t, testenv.OCICommand{Args: []string{"start", "c"}, Env: env}); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	if got, want := s.next(t), "READY=1\nMAINPID="+pid("c"); got != want {
		t.Errorf("start told %q, want %q", got, want)
	}
	r = o.Do(t, testenv.OCICommand{Args: []string{"run", "-d", "--bundle", o.Bundle(t, "d", script), "--pid-file", "d", "d"}, Env: env})
	if got, want := s.next(t), "READY=1\nMAINPID="+pid("d"); r.Code != 0 || got != want {
		t.Errorf("run --detach told %q, want %q: %+v", got, want, r)
	}
	done := make(chan testenv.Result)
	go func() {
		done <- o.Do(t, testenv.OCICommand{Args: []string{"run", "--bundle", o.Bundle(t, "f", script), "--pid-file", "f", "f"}, Env: env})
	}()
	got := s.next(t)
	if want := "READY=1\nMAINPID=" + pid("f") + "\nSTATUS=well"; got != want {
		t.Errorf("run told %q, want %q", got, want)
	}
	o.Must(t, "kill", "f", "KILL")
	if r := <-done; r.Code != 137 {
		t.Errorf("%+v", r)
	}
	// A program that ends without a word does not hold start up.
	o.Do(t, testenv.OCICommand{Args: []string{"create", "--bundle", o.Bundle(t, "e", []string{"true"}), "e"}, Env: env})
	if r := o.Do(t, testenv.OCICommand{Args: []string{"start", "e"}, Env: env}); r.Code != 0 {
		t.Errorf("%+v", r)
	}
}
