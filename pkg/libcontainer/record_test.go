package libcontainer

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/intelrdt"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
)

// full is a record with every field set.
func full(t testing.TB) record {
	t.Helper()
	r := record{
		Version: recordVersion, ID: "x", BootID: "b", Complete: true, identity: identity{PID: 7, StartTime: 8}, OCIVersion: "1.3.0",
		Bundle: "/b", Rootfs: "/b/r", Created: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Annotations: map[string]string{"k": "v"},
		Cgroup: "/c/x", Systemd: true, UserBus: true, Rootless: true, Keyring: "_ses.x", Notify: true, OwnPIDs: true,
		Listener: rare[launch.Notify]{&launch.Notify{Path: "/s", Metadata: "m"}},
		Class:    rare[intelrdt.Group]{&intelrdt.Group{Dir: "/sys/fs/resctrl/x", Made: true, Monitor: "/sys/fs/resctrl/x/mon_groups/x"}},
		Hooks:    rare[laterHooks]{&laterHooks{Poststart: []plan.Hook{{Path: "/h"}}, Poststop: []plan.Hook{{Path: "/i", Timeout: time.Second}}}},
	}
	v := reflect.ValueOf(r)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Fatalf("the field %s is not set", v.Type().Field(i).Name)
		}
	}
	return r
}

func TestRecordRoundTrip(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "x")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	d, err := openDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	if _, err := d.readRecord(); !errors.Is(err, errdefs.ErrCorrupt) {
		t.Errorf("without a record: %v", err)
	}
	want := full(t)
	if err := d.writeRecord(&want); err != nil {
		t.Fatal(err)
	}
	other, err := openDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	for _, reader := range []*stateDir{d, other} { // the one that wrote it need not decode it
		got, err := reader.readRecord()
		if err != nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, want)
		}
	}
	changed := want
	changed.PID++
	if err := other.writeRecord(&changed); err != nil {
		t.Fatal(err)
	}
	if got, err := d.readRecord(); err != nil || got.PID != changed.PID {
		t.Errorf("after another has written: %+v, %v", got, err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left beside it: %v", entries)
	}
	// A newer program's fields are no error.
	b, _ := json.Marshal(want)
	if _, err := decodeRecord(bytes.Replace(b, []byte("{"), []byte(`{"newer":[1],`), 1), "x"); err != nil {
		t.Error(err)
	}
}

// TestRecordEncoding: the fields by hand are those of the type.
func TestRecordEncoding(t *testing.T) {
	for _, r := range []record{{}, full(t), {Annotations: map[string]string{}, Bundle: "/\u2028<\"", ID: "\xff"}} {
		want, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.encode(); err != nil || !bytes.Equal(got, want) {
			t.Errorf("got %s, %v\nwant %s", got, err, want)
		}
	}
}

func TestDamagedRecords(t *testing.T) {
	good, err := json.Marshal(full(t))
	if err != nil {
		t.Fatal(err)
	}
	replace := func(old, replaced string) string { return strings.Replace(string(good), old, replaced, 1) }
	for name, text := range map[string]string{
		"empty": "", "torn": string(good[:len(good)/2]), "zeros": string(make([]byte, 100)), "null": "null", "list": "[]",
		"version": replace(`"version":1`, `"version":2`), "other id": replace(`"id":"x"`, `"id":"y"`), "no pid": replace(`"pid":7`, `"pid":0`),
		"negative pid": replace(`"pid":7`, `"pid":-7`), "pid text": replace(`"pid":7`, `"pid":"7"`),
		"cgroup up": replace(`"/c/x"`, `"/c/../../x"`), "relative cgroup": replace(`"/c/x"`, `"c"`),
	} {
		if r, err := decodeRecord([]byte(text), "x"); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// FuzzRecord wants that whatever is in a state directory, what is decoded can be relied on.
func FuzzRecord(f *testing.F) {
	good, err := json.Marshal(full(f))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{good, good[:len(good)/2], []byte("{}"), []byte("null"), []byte(`{"version":1,"id":"x","complete":true,"pid":1,"cgroup":"/.."}`)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRecord(b, "x")
		if err != nil {
			return
		}
		if r.ID != "x" || r.Version != recordVersion || r.PID < 0 || r.Complete && r.PID == 0 {
			t.Fatalf("%+v", r)
		}
		if r.Cgroup != "" && (!filepath.IsAbs(r.Cgroup) || filepath.Clean(r.Cgroup) != filepath.Join("/", r.Cgroup)) {
			t.Fatalf("cgroup %q", r.Cgroup)
		}
		again, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if r2, err := decodeRecord(again, "x"); err != nil || r2.identity != r.identity || r2.Cgroup != r.Cgroup {
			t.Fatalf("%+v, then %+v, %v", r, r2, err)
		}
	})
}

// TestIdentity takes no other process for the one: not with the pid alone, and not a zombie.
func TestIdentity(t *testing.T) {
	self := identity{PID: os.Getpid()}
	var err error
	if self.StartTime, _, err = processStat(self.PID); err != nil {
		t.Fatal(err)
	}
	if fd, err := self.open(); err != nil || !self.alive() {
		t.Errorf("this process: %v", err)
	} else {
		_ = fd.Close()
	}
	other := self
	other.StartTime++
	if err := other.signal(unix.SIGKILL); !errors.Is(err, unix.ESRCH) || other.alive() {
		t.Errorf("a later process of the pid: %v", err)
	}
	if err := (identity{}).signal(0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("no process: %v", err)
	}
	for text, ok := range map[string]bool{
		"1 (a) S 1 1 1 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 1 0 42 1 1":      true,
		"1 (a) b) (S) Z 1 1 1 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 1 0 42 1": true,
		"": false, "1 (a": false, "1 (a) S": false, "1 (a) S 1 1 1 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 1 0 x 1": false,
	} {
		start, _, err := parseStat(text)
		if (err == nil) != ok || ok && start != 42 {
			t.Errorf("%q: %d, %v", text, start, err)
		}
	}
	for text, want := range map[string]bool{
		"1 (a) S 1 1 1 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 1 0 42 1": false,
		"1 (a) Z 1 1 1 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 1 0 42 1": true,
		"1 (a) Z 1 1 1 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 2 0 42 1": false, // its first thread
		"1 (a) X 1 1 1 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 0 0 42 1": true,
	} {
		if _, ended, err := parseStat(text); err != nil || ended != want {
			t.Errorf("%q: ended %v, %v", text, ended, err)
		}
	}
}

// TestLock wants one holder at a time, and no success on a directory that was deleted under the waiter.
func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	open := func() *stateDir {
		t.Helper()
		d, err := openDir(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		return d
	}
	if _, err := openDir(path); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("nothing there: %v", err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	a, b := open(), open()
	if a.held() || a.lock(0) != nil || a.held() || !b.held() {
		t.Error("the first does not get the lock, or does not know")
	}
	if err := b.lock(30 * time.Millisecond); !errors.Is(err, errdefs.ErrUnavailable) {
		t.Errorf("a second holder: %v", err)
	}
	done := make(chan error)
	go func() { done <- b.lock(10 * time.Second) }()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	a.unlock()
	if err := <-done; !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("after the deletion: %v", err)
	}
}

func TestSlicePath(t *testing.T) {
	for slice, want := range map[string]string{
		"": "system.slice", "machine.slice": "machine.slice", "a-b-c.slice": "a.slice/a-b.slice/a-b-c.slice", "-.slice": "",
	} {
		if got := slicePath(slice); got != want {
			t.Errorf("%q: %q, want %q", slice, got, want)
		}
	}
}
