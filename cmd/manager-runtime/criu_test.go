package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// TestCRIUConnection keeps a TCP connection open over a checkpoint: what went in comes out, once and in order.
func TestCRIUConnection(t *testing.T) {
	needCRIU(t)
	o := laneRuntime(t)
	out := filepath.Join(o.Dir, "out")
	if err := os.Mkdir(out, 0o755); err != nil {
		t.Fatal(err)
	}
	const program = `sleep 100000 | nc -l -p 4000 >/out/lines &
until cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q ":0FA0 .*:0000 0A "; do sleep 0.05; done
i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done | nc 127.0.0.1 4000`
	bundle := o.Bundle(t, "c", []string{"sh", "-c", program}, func(s *specs.Spec) {
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/out", Source: out, Type: "bind", Options: []string{"bind"}})
	})
	lines := func() []string {
		text, _ := os.ReadFile(filepath.Join(out, "lines"))
		return strings.Fields(string(text))
	}
	count := func() int { return len(lines()) }
	images := filepath.Join(o.Dir, "images")
	o.Must(t, "run", "--detach", "--bundle", bundle, "c")
	beyond(t, 5, count)
	if r := o.Run(t, "checkpoint", "--image-path", filepath.Join(o.Dir, "refused"), "--work-path", o.Dir, "c"); r.Code == 0 {
		t.Errorf("without --tcp-established: %s%s", r.Stdout, r.Stderr)
	}
	beyond(t, count(), count)
	o.Must(t, "checkpoint", "--tcp-established", "--image-path", images, "--work-path", o.Dir, "c")
	at := count()
	o.Must(t, "restore", "--tcp-established", "--bundle", bundle, "--image-path", images, "--work-path", o.Dir, "--detach", "c")
	beyond(t, at+5, count)
	for i, line := range lines() {
		if line != fmt.Sprint(i+1) {
			t.Fatalf("line %d of %d is %q; %d were there at the checkpoint", i+1, count(), line, at)
		}
	}
	o.Must(t, "delete", "--force", "c")
}

// TestCRIUPageServer has the pages of the memory go over a connection to another CRIU, which writes them beside the rest.
func TestCRIUPageServer(t *testing.T) {
	needCRIU(t)
	o := laneRuntime(t)
	bundle, count := counting(t, o, "c", hostNet)
	images := filepath.Join(o.Dir, "images")
	if err := os.Mkdir(images, 0o700); err != nil {
		t.Fatal(err)
	}
	o.Must(t, "run", "--detach", "--bundle", bundle, "c")
	beyond(t, 5, count)
	const port = "27123"
	server := exec.Command("criu", "page-server", "--images-dir", images, "--address", "127.0.0.1", "--port", port, "--log-file", filepath.Join(o.Dir, "server.log"))
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	listens(t, 27123)
	o.Must(t, "checkpoint", "--page-server", "127.0.0.1:"+port, "--image-path", images, "--work-path", o.Dir, "c")
	if err := server.Wait(); err != nil {
		t.Errorf("page server: %v", err)
	}
	at := count()
	o.Must(t, "restore", "--bundle", bundle, "--image-path", images, "--work-path", o.Dir, "--detach", "c")
	beyond(t, at, count)
	o.Must(t, "delete", "--force", "c")
}

// TestCRIULazyPages restores a container before its memory is there: the pages come from the one that was dumped when they are touched.
func TestCRIULazyPages(t *testing.T) {
	needCRIU(t)
	o := laneRuntime(t)
	bundle, count := counting(t, o, "c", hostNet)
	images, work := filepath.Join(o.Dir, "images"), filepath.Join(o.Dir, "work")
	if err := os.Mkdir(work, 0o700); err != nil {
		t.Fatal(err)
	}
	o.Must(t, "run", "--detach", "--bundle", bundle, "c")
	beyond(t, 5, count)
	ready, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ready.Close() })
	const port = "27124"
	background := func(said *bytes.Buffer, program string, args ...string) *exec.Cmd {
		cmd := exec.Command(program, args...)
		cmd.Env, cmd.Stdout, cmd.Stderr = o.Env, said, said
		return cmd
	}
	var dumpSaid, daemonSaid bytes.Buffer
	dump := background(&dumpSaid, o.Program, append(slices.Clone(o.Global), "checkpoint", "--lazy-pages", "--page-server", "127.0.0.1:"+port, "--status-fd", "3",
		"--manage-cgroups-mode", "ignore", "--image-path", images, "--work-path", work, "c")...)
	dump.ExtraFiles = []*os.File{w}
	if err := dump.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dump.Process.Kill() })
	_ = w.Close()
	_ = ready.SetReadDeadline(time.Now().Add(time.Minute))
	if n, err := ready.Read(make([]byte, 1)); n != 1 {
		t.Fatalf("it does not become ready: %v\n%s", err, dumpSaid.String())
	}
	at := count()
	daemon := background(&daemonSaid, "criu", "lazy-pages", "--page-server", "--address", "127.0.0.1", "--port", port, "--images-dir", images, "--work-dir", work)
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = daemon.Process.Kill() })
	// The one that was dumped is there until all its pages have gone: the new one has another name, and another cgroup.
	again := o.Bundle(t, "again", counter, hostNet, func(s *specs.Spec) {
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/out", Source: filepath.Join(o.Dir, "out-c"), Type: "bind", Options: []string{"bind"}})
	})
	o.Must(t, "restore", "--lazy-pages", "--bundle", again, "--image-path", images, "--work-path", work, "--manage-cgroups-mode", "ignore", "--detach", "again")
	beyond(t, at, count)
	if err := dump.Wait(); err != nil {
		t.Errorf("the dump: %v\n%s", err, dumpSaid.String())
	}
	if err := daemon.Wait(); err != nil {
		t.Errorf("criu lazy-pages: %v\n%s", err, daemonSaid.String())
	}
	o.Refused(t, 1, "does not exist", "state", "c")
	beyond(t, count(), count)
	o.Must(t, "delete", "--force", "again")
}

// listens waits until a port of the host is listened on, without taking the connection that a server waits for.
func listens(t *testing.T, port int) {
	t.Helper()
	want := fmt.Sprintf("0100007F:%04X 00000000:0000 0A", port)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile("/proc/net/tcp")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("nobody listens on port %d", port)
		}
	}
}

// TestCRIUTerminal gives a restored container a terminal anew, whose other end comes over the console socket.
func TestCRIUTerminal(t *testing.T) {
	needCRIU(t)
	o := laneRuntime(t)
	bundle := o.Bundle(t, "c", []string{"sh", "-c", `i=0; while read word; do i=$((i+1)); echo "$i: $word"; done`}, withTerminal, hostNet)
	path, receive := receiver(t, o, "first")
	o.Must(t, "run", "--detach", "--bundle", bundle, "--console-socket", path, "c")
	master := receive()
	say := func(f *os.File, word, answer string) {
		t.Helper()
		if _, err := f.WriteString(word + "\n"); err != nil {
			t.Fatal(err)
		}
		expect(t, f, answer)
	}
	say(master, "before", "1: before\r\n")
	images := filepath.Join(o.Dir, "images")
	o.Must(t, "checkpoint", "--image-path", images, "--work-path", o.Dir, "c")
	o.Refused(t, 1, "console socket", "restore", "--bundle", bundle, "--image-path", images, "--work-path", o.Dir, "--detach", "c")
	path, receive = receiver(t, o, "second")
	o.Must(t, "restore", "--bundle", bundle, "--image-path", images, "--work-path", o.Dir, "--detach", "--console-socket", path, "c")
	say(receive(), "after", "2: after\r\n")
	o.Must(t, "delete", "--force", "c")
}

// TestCRIUJoined restores a container into the network namespace that it had joined by its path.
func TestCRIUJoined(t *testing.T) {
	needCRIU(t)
	o := laneRuntime(t)
	o.Must(t, "run", "--detach", "--bundle", o.Bundle(t, "n", sleeper), "n")
	file := fmt.Sprintf("/proc/%d/ns/net", int(o.State(t, "n")["pid"].(float64)))
	want, err := os.Readlink(file)
	if err != nil {
		t.Fatal(err)
	}
	bundle, count := counting(t, o, "c", func(s *specs.Spec) {
		for i := range s.Linux.Namespaces {
			if s.Linux.Namespaces[i].Type == specs.NetworkNamespace {
				s.Linux.Namespaces[i].Path = file
			}
		}
	})
	images := filepath.Join(o.Dir, "images")
	o.Must(t, "run", "--detach", "--bundle", bundle, "c")
	beyond(t, 5, count)
	o.Must(t, "checkpoint", "--image-path", images, "--work-path", o.Dir, "c")
	at := count()
	o.Must(t, "restore", "--bundle", bundle, "--image-path", images, "--work-path", o.Dir, "--detach", "c")
	beyond(t, at, count)
	if got := o.Must(t, "exec", "c", "readlink", "/proc/self/ns/net"); strings.TrimSpace(got) != want {
		t.Errorf("its network namespace is %s, want %s", got, want)
	}
	o.Must(t, "delete", "--force", "c")
	o.Must(t, "delete", "--force", "n")
}
