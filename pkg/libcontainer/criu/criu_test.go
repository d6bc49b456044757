package criu

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/manager-project/manager/pkg/errdefs"
	"golang.org/x/sys/unix"
)

// The test program plays criu when it is called so: it writes the request it got to $CRIU_GOT, tells
// the events of $CRIU_EVENTS, and answers as $CRIU_ANSWER says.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "criu" {
		if err := play(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// play is the fake's part.
func play() error {
	if !slices.Equal(os.Args[1:], []string{"swrk", "3"}) {
		return fmt.Errorf("called with %q", os.Args)
	}
	if os.Getenv("CRIU_ANSWER") == "die" {
		return errors.New("first line\nthe last words")
	}
	buf := make([]byte, maxMessage)
	n, err := unix.Read(socketFD, buf)
	if err != nil || n == 0 {
		return errors.Join(err, errors.New("no request came"))
	}
	text := show(buf[:n])
	for fd := socketFD + 1; ; fd++ { // which files came along
		name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err != nil || strings.HasPrefix(filepath.Base(name), "cpu.") { // the Go runtime's own
			break
		}
		text += fmt.Sprintf("\nfd %d %s", fd, filepath.Base(name))
	}
	if err := os.WriteFile(os.Getenv("CRIU_GOT"), []byte(text), 0o600); err != nil {
		return err
	}
	for _, event := range strings.Fields(os.Getenv("CRIU_EVENTS")) {
		if goOn, err := tell(event); err != nil || !goOn {
			return errors.Join(err, os.WriteFile(os.Getenv("CRIU_GOT")+".refused", []byte(event), 0o600))
		}
	}
	return reply(os.Getenv("CRIU_ANSWER"))
}

// tell sends an event; one with a ! brings a descriptor.
func tell(event string) (bool, error) {
	var m, inner message
	name, file := strings.CutSuffix(event, "!")
	inner.text(1, name)
	inner.number(2, 77)
	m.number(1, int64(notify))
	m.number(2, 1)
	m.bytes(5, inner)
	var rights []byte
	if file {
		rights = unix.UnixRights(0)
	}
	if err := unix.Sendmsg(socketFD, m, rights, nil, 0); err != nil {
		return false, err
	}
	buf := make([]byte, maxMessage)
	n, err := unix.Read(socketFD, buf)
	goOn := false
	return goOn, errors.Join(err, fields(buf[:max(n, 0)], func(field int, n uint64, _ []byte) error {
		if field == 1 && Kind(n) != notify {
			return errors.New("no answer to the event")
		}
		goOn = goOn || field == 3 && n == 1
		return nil
	}))
}

func reply(answer string) error {
	var m, inner message
	kind, text, _ := strings.Cut(answer, ":")
	number := map[string]Kind{"dump": Dump, "restore": Restore, "pre-dump": PreDump, "version": version}[kind]
	m.number(1, int64(number))
	m.number(2, map[bool]int64{true: 1}[text == ""])
	switch {
	case text != "":
		m.number(7, int64(unix.EBUSY))
		m.text(9, strings.TrimPrefix(text, "-"))
	case number == Restore:
		inner.number(1, 4321)
		m.bytes(4, inner)
	case number == version:
		inner.number(1, 3)
		inner.number(2, 17)
		inner.number(4, 1)
		m.bytes(10, inner)
	}
	_, err := unix.Write(socketFD, m)
	return err
}

// show writes a request in words: "field=value", messages in brackets.
func show(b []byte) string {
	var out []string
	messages := map[int]bool{2: true, 11: true, 25: true, 27: true}
	var walk func(b []byte, depth int) error
	walk = func(b []byte, depth int) error {
		return fields(b, func(field int, n uint64, b []byte) error {
			switch {
			case depth == 1 && (field == 1 || field == 17 || field == 49): // a descriptor of the caller's
				name, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", os.Getppid(), n))
				out = append(out, fmt.Sprintf("%d=%s", field, filepath.Base(name)))
			case b == nil:
				out = append(out, fmt.Sprintf("%d=%d", field, n))
			case messages[field] && (depth > 0 || field == 2):
				if depth > 1 {
					out = append(out, fmt.Sprintf("%d=%s", field, b))
					return nil
				}
				out = append(out, fmt.Sprintf("%d={", field))
				if err := walk(b, depth+1); err != nil {
					return err
				}
				out = append(out, "}")
			default:
				out = append(out, fmt.Sprintf("%d=%s", field, b))
			}
			return nil
		})
	}
	if err := walk(b, 0); err != nil {
		return err.Error()
	}
	return strings.Join(out, " ")
}

// fake prepares the fake and says where its request will be.
func fake(t *testing.T, answer, events string) (Program, string) {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(dir, "criu")); err != nil {
		t.Fatal(err)
	}
	got := filepath.Join(dir, "got")
	t.Setenv("CRIU_ANSWER", answer)
	t.Setenv("CRIU_EVENTS", events)
	t.Setenv("CRIU_GOT", got)
	return Program{Path: filepath.Join(dir, "criu")}, got
}

// file is an opened file with a name that the fake can tell.
func file(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestDumpRequest(t *testing.T) {
	p, got := fake(t, "dump", "")
	soft := CgroupsSoft
	o := &Options{
		Images: file(t, "images"), Work: file(t, "work"), StatusFD: file(t, "status"), PID: 42, Root: "/r", LogFile: "dump.log", LogLevel: 4,
		LeaveRunning: true, ExtUnixSk: true, TCPEstablished: true, TCPSkipInFlight: true, ShellJob: true, FileLocks: true, LinkRemap: true,
		LazyPages: true, AutoDedup: true, TrackMem: true, Parent: "../before", PageServer: &PageServer{"10.0.0.1", 27},
		External: []string{"mnt[/a]:/a", "net[5]:n"}, CgroupMode: &soft, FreezeCgroup: "/f", EmptyNamespaces: unix.CLONE_NEWNET, ConfigFile: "/c",
		OrphanPtsMaster: true, NetworkLock: NFTables,
	}
	if _, err := p.Run(t.Context(), Dump, o, nil, nil); err != nil {
		t.Fatal(err)
	}
	expect(t, got, "1=1 2={ 1=images 17=work 49=status 3=1 4=1 5=1 6=1 7=1 8=1 12=1 15=1 16=1 18=1 46=1 48=1 50=1 2=42 9=4 38=1073741824 64=2 10=dump.log 13=/r 14=../before "+
		"44=/f 51=/c 37=mnt[/a]:/a 37=net[5]:n 24=1 34=3 11={ 1=10.0.0.1 2=27 } }")
}

func TestRestoreRequest(t *testing.T) {
	p, got := fake(t, "restore", "")
	o := &Options{
		Images: file(t, "images"), Root: "/r", Sibling: true, TCPClose: true, Inherit: []InheritFD{{"pipe:[7]", file(t, "out")}, {"extRootNetNS", file(t, "net")}},
		CgroupRoots: []CgroupRoot{{"memory", "/m"}, {"", "/u"}}, LSMProfile: "selinux:a:b", LSMMountContext: "c",
	}
	worker := 0
	pid, err := p.Run(t.Context(), Restore, o, func(pid int) error { worker = pid; return nil }, nil)
	if err != nil || pid != 4321 || worker == 0 {
		t.Fatalf("pid %d, worker %d, %v", pid, worker, err)
	}
	expect(t, got, "1=2 2={ 1=images 6=1 12=1 26=1 52=1 13=/r 53=selinux:a:b 63=c 27={ 1=pipe:[7] 2=4 } 27={ 1=extRootNetNS 2=5 } "+
		"25={ 1=memory 2=/m } 25={ 2=/u } }\nfd 4 out\nfd 5 net")
}

func expect(t *testing.T, file, want string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil || string(b) != want {
		t.Errorf("%v\ngot  %s\nwant %s", err, b, want)
	}
}

// TestEvents hands events on in their order, with the descriptor that one brings.
func TestEvents(t *testing.T) {
	p, _ := fake(t, "restore", "setup-namespaces orphan-pts-master! post-restore")
	var got []string
	_, err := p.Run(t.Context(), Restore, &Options{Images: file(t, "i")}, nil, func(e Event) error {
		got = append(got, fmt.Sprint(e.Name, e.PID, e.File != nil))
		if e.File != nil {
			return e.File.Close()
		}
		return nil
	})
	if want := []string{"setup-namespaces77 false", "orphan-pts-master77 true", "post-restore77 false"}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%q, %v", got, err)
	}
}

// TestRefusedEvent stops criu, and gives the handler's own error.
func TestRefusedEvent(t *testing.T) {
	p, got := fake(t, "restore", "setup-namespaces post-restore")
	no := errors.New("no")
	_, err := p.Run(t.Context(), Restore, &Options{Images: file(t, "i")}, nil, func(Event) error { return no })
	if !errors.Is(err, no) {
		t.Errorf("got %v", err)
	}
	if b, err := os.ReadFile(got + ".refused"); err != nil || string(b) != "setup-namespaces" {
		t.Errorf("criu went on: %q, %v", b, err)
	}
}

func TestFailures(t *testing.T) {
	work := file(t, "work")
	for answer, want := range map[string]string{
		"dump:cannot dump": "cannot dump", "dump:-": "device or resource busy", "restore": "refused", "die": "the last words",
	} {
		p, _ := fake(t, answer, "")
		_, err := p.Run(t.Context(), Dump, &Options{Images: file(t, "i"), Work: work, LogFile: "dump.log"}, nil, nil)
		if !errors.Is(err, errdefs.ErrUnavailable) || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "checkpoint by criu") {
			t.Errorf("%s: %v", answer, err)
		}
		if hint := errdefs.Hint(err); !strings.Contains(hint, "work/dump.log") {
			t.Errorf("%s: hint %q", answer, hint)
		}
	}
	_, err := (Program{Path: filepath.Join(t.TempDir(), "criu")}).Run(t.Context(), Dump, &Options{Images: work}, nil, nil)
	if !errors.Is(err, errdefs.ErrUnavailable) || !strings.Contains(err.Error(), "not found in $PATH") {
		t.Errorf("got %v", err)
	}
	p, got := fake(t, "dump", "")
	_, err = p.Run(t.Context(), Dump, &Options{Images: work}, func(int) error { return io.ErrNoProgress }, nil)
	if _, serr := os.Stat(got); !errors.Is(err, io.ErrNoProgress) || serr == nil {
		t.Errorf("got %v, and a request: %v", err, serr == nil)
	}
}

// TestWithoutSELinux: a criu that keeps no SELinux contexts is named as the reason, from its images at a dump and from its words at
// a restore.
func TestWithoutSELinux(t *testing.T) {
	dir, err := MakeImages(filepath.Join(t.TempDir(), "images"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dir.Close() })
	work, err := MakeImages(filepath.Join(t.TempDir(), "work"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = work.Close() })
	inventory := filepath.Join(dir.Name(), "inventory.img")
	for name, c := range map[string]struct {
		image string
		class error
	}{
		"none":        {"\x16\x31\x31\x58\x06\x00\x00\x00\x08\x02\x20\x01\x30\x00", errdefs.ErrUnsupported},
		"not told":    {"\x16\x31\x31\x58\x04\x00\x00\x00\x08\x02\x20\x01", errdefs.ErrUnsupported},
		"AppArmor":    {"\x16\x31\x31\x58\x06\x00\x00\x00\x08\x02\x20\x01\x30\x02", errdefs.ErrUnsupported},
		"SELinux":     {"\x16\x31\x31\x58\x06\x00\x00\x00\x08\x02\x20\x01\x30\x01", nil},
		"short":       {"\x16\x31\x31\x58\x07\x00\x00\x00\x08\x02\x20\x01\x30\x01", errdefs.ErrCorrupt},
		"other magic": {"\x17\x31\x31\x58\x06\x00\x00\x00\x08\x02\x20\x01\x30\x01", errdefs.ErrCorrupt},
		"empty":       {"", errdefs.ErrCorrupt},
	} {
		if err := os.WriteFile(inventory, []byte(c.image), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := CheckSELinux(dir); !errors.Is(err, c.class) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Remove(inventory); err != nil {
		t.Fatal(err)
	}
	if err := CheckSELinux(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	text := "(00.015414) Error (criu/lsm.c:411): selinux LSM specified but selinux not supported by kernel\n"
	if err := os.WriteFile(filepath.Join(work.Name(), "restore.log"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, _ := fake(t, "restore:no", "")
	_, err = p.Run(t.Context(), Restore, &Options{Images: dir, Work: work, LogFile: "restore.log"}, nil, nil)
	if !errors.Is(err, errdefs.ErrUnsupported) || !strings.Contains(err.Error(), "built without SELinux") || !strings.Contains(errdefs.Hint(err), "label=disable") {
		t.Errorf("got %v", err)
	}
	// What a handler says is not taken for criu's.
	p, _ = fake(t, "dump", "post-dump")
	_, err = p.Run(t.Context(), Dump, &Options{Images: dir, Work: work, LogFile: "restore.log"}, nil, func(Event) error { return errNoSELinux() })
	if err == nil || err.Error() != errNoSELinux().Error() {
		t.Errorf("got %v", err)
	}
}

// TestLogIsQuoted finds criu's last error in its log, which may be a link of a stranger's.
func TestLogIsQuoted(t *testing.T) {
	work, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = work.Close() })
	o := &Options{Images: file(t, "i"), Work: work, LogFile: "dump.log", Hint: "do something else"}
	log := filepath.Join(work.Name(), "dump.log")
	text := strings.Repeat("(00.1) Error (a.c:1): the first\n", 4000) + "(00.2) Error (b.c:2): the real one\n(00.3) done\n"
	if err := os.WriteFile(log, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, _ := fake(t, "dump:no", "")
	_, err = p.Run(t.Context(), Dump, o, nil, nil)
	if err == nil || !strings.HasSuffix(err.Error(), "no: Error (b.c:2): the real one") || errdefs.Hint(err) != "do something else" {
		t.Errorf("got %v", err)
	}
	if err := errors.Join(os.Rename(log, log+".real"), os.Symlink(log+".real", log)); err != nil {
		t.Fatal(err)
	}
	if _, err = p.Run(t.Context(), Dump, o, nil, nil); err == nil || strings.Contains(err.Error(), "b.c") {
		t.Errorf("a link was followed: %v", err)
	}
}

// TestCancel does not wait for a criu that hangs.
func TestCancel(t *testing.T) {
	dir := t.TempDir()
	hang := filepath.Join(dir, "criu")
	if err := os.WriteFile(hang, []byte("#!/bin/sh\nexec sleep 1000\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := (Program{Path: hang}).Run(ctx, Dump, &Options{Images: file(t, "i")}, func(int) error { cancel(); return nil }, nil)
	if err == nil {
		t.Error("no error")
	}
}

func TestVersion(t *testing.T) {
	p, _ := fake(t, "version", "")
	if v, err := p.Version(t.Context()); err != nil || v != 31701 {
		t.Errorf("version %d, %v", v, err)
	}
}

// TestRealCRIU asks the installed program, whose messages the numbers must fit.
func TestRealCRIU(t *testing.T) {
	if _, err := exec.LookPath("criu"); err != nil {
		t.Skip("criu is not installed")
	}
	if v, err := (Program{}).Version(t.Context()); err != nil || v < 30000 || v > 100000 {
		t.Errorf("version %d, %v", v, err)
	}
}

func FuzzDecode(f *testing.F) {
	var ok, inner message
	inner.text(1, "setup-namespaces")
	inner.number(2, 5)
	ok.number(1, 6)
	ok.number(2, 1)
	ok.bytes(5, inner)
	f.Add([]byte(ok))
	f.Add([]byte{0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Add([]byte{0x2a, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Add([]byte{0x0d, 1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		r, err := decode(b)
		if err == nil && (len(r.text) > len(b) || len(r.script) > len(b)) {
			t.Error("a text out of nothing")
		}
		if !bytes.Equal(b, before) {
			t.Error("the message was changed")
		}
	})
}

func TestImages(t *testing.T) {
	top := t.TempDir()
	at := func(p string) string { return filepath.Join(top, p) }
	write := func(p string) {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(at(p)), 0o755), os.WriteFile(at(p), []byte("x"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	link := func(target, p string) {
		t.Helper()
		write(filepath.Dir(p) + "/inventory.img")
		if err := os.Symlink(target, at(p)); err != nil {
			t.Fatal(err)
		}
	}
	write("good/core-1.img")
	link("../good", "after/parent")
	link("../after", "later/parent")
	write("outside/secret")
	link(at("outside/secret"), "link/pages-1.img")
	link("/etc", "absolute/parent")
	link("../../..", "up/parent")
	link("../link", "through/parent")
	link("../loop", "loop/parent")
	link("../none", "dangling/parent")
	write("deep/below/core-1.img")
	if err := errors.Join(os.Mkdir(at("empty"), 0o755), os.Mkdir(at("fifo"), 0o755), unix.Mkfifo(at("fifo/pages-1.img"), 0o600), os.Symlink("good", at("alias"))); err != nil {
		t.Fatal(err)
	}
	for name, class := range map[string]error{
		"good": nil, "after": nil, "later": nil, "none": errdefs.ErrNotFound, "good/core-1.img": errdefs.ErrInvalid, "link": errdefs.ErrCorrupt,
		"absolute": errdefs.ErrCorrupt, "up": errdefs.ErrCorrupt, "through": errdefs.ErrCorrupt, "loop": errdefs.ErrCorrupt, "dangling": errdefs.ErrCorrupt,
		"deep": errdefs.ErrCorrupt, "empty": errdefs.ErrCorrupt, "fifo": errdefs.ErrCorrupt,
	} {
		f, err := OpenImages(at(name))
		if !errors.Is(err, class) || (err == nil) != (class == nil) {
			t.Errorf("%s: %v, want %v", name, err, class)
		}
		if err == nil {
			_ = f.Close()
		}
	}
}

func TestValidateParent(t *testing.T) {
	for path, good := range map[string]bool{
		"": true, "../before": true, "../before/": true, "before": false, "/a": false, "..": false, "../": false, "../..": false, "../a/b": false, "../../a": false,
	} {
		if err := ValidateParent(path); (err == nil) != good {
			t.Errorf("%q: %v", path, err)
		}
	}
}

func TestDescriptors(t *testing.T) {
	open := func(dir string) *os.File {
		t.Helper()
		f, err := MakeImages(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	dir := open(filepath.Join(t.TempDir(), "images"))
	names := [3]string{"/dev/null", "pipe:[1]", "pipe:[2]"}
	if err := WriteDescriptors(dir, names); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadDescriptors(dir); err != nil || got != names {
		t.Errorf("%q, %v", got, err)
	}
	evil := open(t.TempDir())
	if err := os.Symlink("/etc/passwd", filepath.Join(evil.Name(), descriptorsFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadDescriptors(evil); !errors.Is(err, errdefs.ErrCorrupt) {
		t.Errorf("through a link: %v", err)
	}
	if err := WriteDescriptors(evil, names); err == nil {
		t.Error("wrote through a link")
	}
}

func FuzzDescriptors(f *testing.F) {
	for _, s := range []string{`["a","b","c"]`, `["a"]`, `[1,2,3]`, `{}`, ``} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		names, err := parseDescriptors(b)
		if err != nil {
			return
		}
		if back, err := json.Marshal(names); err != nil || len(back) > 6*len(b)+64 {
			t.Errorf("%q becomes %q", b, back)
		}
	})
}
