package rootless

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestSubids(t *testing.T) {
	const file = `# a remark
alice:100000:65536
1000:300000:10
bob:200000:65536
alice:400000:5
alice::7
alice:1:2:3
alice:abc:7
alice:5:0
alice:4294967290:100
:500000:1
`
	for _, c := range []struct {
		name string
		uid  int
		want []Range
	}{
		{"alice", 1000, []Range{{100000, 65536}, {300000, 10}, {400000, 5}}},
		{"alice", 1, []Range{{100000, 65536}, {400000, 5}}},
		{"bob", 7, []Range{{200000, 65536}}},
		{"carol", 7, nil},
	} {
		got, err := readSubids(strings.NewReader(file), c.name, c.uid)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s, %d: %v, %v", c.name, c.uid, got, err)
		}
	}
	if got, err := subids(filepath.Join(t.TempDir(), "none"), "alice", 1); got != nil || err != nil {
		t.Errorf("no file: %v, %v", got, err)
	}
	if _, err := readSubids(strings.NewReader(strings.Repeat("x", maxSubidLine+1)), "alice", 1); err == nil {
		t.Error("a line without end was read")
	}
}

func FuzzSubids(f *testing.F) {
	f.Add([]byte("alice:100000:65536\n1000:1:1\n"))
	f.Add([]byte("alice:4294967295:4294967295\n::\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		ranges, err := readSubids(bytes.NewReader(file), "alice", 1000)
		if err != nil {
			return
		}
		for _, r := range ranges {
			if r.Size == 0 || uint64(r.First)+uint64(r.Size) > 1<<32-1 {
				t.Errorf("range %+v", r)
			}
		}
	})
}

func TestMapping(t *testing.T) {
	got := strings.Join(mapping(1000, []Range{{100000, 65536}, {300000, 10}}), " ")
	if want := "0 1000 1 1 100000 65536 65537 300000 10"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestOuterID(t *testing.T) {
	for text, want := range map[string]int{
		"         0       1000          1\n         1     100000      65536\n": 1000,
		"         5          5          1\n         0          7          1\n": 7,
		"         0          0 4294967295\n":                                   0,
		"         1     100000      65536\n":                                   -1,
		"":                                                                     -1, "x y z\n": -1,
	} {
		path := filepath.Join(t.TempDir(), "map")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := outerID(path)
		if want < 0 && err == nil || want >= 0 && (err != nil || got != want) {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}

// The program is a file that the kernel takes, with its code before its parameters.
func TestProgramFile(t *testing.T) {
	o := order{pidfd: 7, namespaces: unix.CLONE_NEWUSER, program: 8, directory: "/some/where"}
	raw := o.encode()
	file, err := elf.NewFile(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if file.Type != elf.ET_EXEC || file.Entry != codeAt || len(file.Progs) != 2 || file.Progs[0].Flags != elf.PF_R|elf.PF_X {
		t.Errorf("%+v", file.FileHeader)
	}
	from, to := enterRange()
	if size := uintptr(to) - uintptr(from); size < 50 || codeAt+size > paramsAt {
		t.Errorf("%d bytes of code", size)
	}
	if !bytes.Contains(raw, []byte("/some/where\x00")) {
		t.Error("the directory is not in it")
	}
}

// A holder is a process that waits under its name and ends with a signal; in memory and from a file.
func TestHolderProcess(t *testing.T) {
	for name, open := range map[string]func(o *order) (*os.File, error){
		"memory": func(o *order) (*os.File, error) { return o.file(t.TempDir()) },
		"file":   func(o *order) (*os.File, error) { return o.onDisk(t.TempDir(), o.encode()) },
	} {
		f, err := open(&order{name: holderName})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		cmd := exec.Cmd{Path: "/proc/self/fd/" + strconv.Itoa(int(f.Fd())), Args: []string{holderName}}
		if err := cmd.Start(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		deadline := time.Now().Add(30 * time.Second)
		for comm := ""; comm != holderName; time.Sleep(time.Millisecond) {
			b, err := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/comm")
			if comm = strings.TrimSpace(string(b)); err != nil || time.Now().After(deadline) {
				t.Errorf("%s: it is called %q, %v", name, comm, err)
				break
			}
		}
		if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "terminated") {
			t.Errorf("%s: it ended with %v", name, err)
		}
		_ = f.Close()
	}
}

// A record of a process that is another by now, of another boot, or half a record, is none.
func TestStaleRecords(t *testing.T) {
	own, err := startTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]any{
		"reused pid":   record{PID: os.Getpid(), StartTime: own + "1", BootID: bootID()},
		"another boot": record{PID: os.Getpid(), StartTime: own, BootID: "0"},
		"init":         record{PID: 1, StartTime: "1", BootID: bootID()},
		"no process":   record{PID: 1 << 22, StartTime: "1", BootID: bootID()},
		"not a record": []int{1},
	} {
		dir := t.TempDir()
		raw, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(recordFile(dir), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if h, err := openHolder(dir); err == nil {
			_ = h.pidfd.Close()
			t.Errorf("%s: taken for the holder", name)
		}
	}
	if _, err := openHolder(t.TempDir()); err == nil {
		t.Error("no record: taken for the holder")
	}
}

// Giving the namespaces up ends their holder, and nobody who has its pid by now.
func TestReleaseOfAnother(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_RUNTIME_DIR", dir)
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	start, err := startTime(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []record{
		{PID: cmd.Process.Pid, StartTime: start + "1", BootID: bootID()},
		{PID: cmd.Process.Pid, StartTime: start, BootID: "0"},
	} {
		raw, err := json.Marshal(r)
		if err == nil {
			err = os.WriteFile(recordFile(dir), raw, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := Release(); err != nil {
			t.Error(err)
		}
	}
	_ = cmd.Process.Signal(unix.SIGTERM)
	if err := cmd.Wait(); err == nil || err.Error() != "signal: terminated" {
		t.Errorf("the process was ended before: %v", err)
	}
}

// A runtime directory that somebody else may write to, or has put there, is refused.
func TestForeignDirectories(t *testing.T) {
	dir := t.TempDir()
	make := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := make("good", 0o700)
	if err := ownDir(good); err != nil {
		t.Error(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(good, link); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	bad := []string{make("group", 0o770), make("others", 0o707), link, file, filepath.Join(dir, "none")}
	if os.Geteuid() == 0 {
		theirs := make("theirs", 0o700)
		if err := os.Chown(theirs, 12345, 12345); err != nil {
			t.Fatal(err)
		}
		bad = append(bad, theirs)
	}
	for _, path := range bad {
		if err := ownDir(path); err == nil {
			t.Errorf("%s was taken", filepath.Base(path))
		}
	}
}

func TestWithout(t *testing.T) {
	got := without([]string{"A=1", "AB=2", "B=3", "A=4"}, "A")
	if !slices.Equal(got, []string{"AB=2", "B=3"}) {
		t.Errorf("%q", got)
	}
}
