package monitor

import (
	"bytes"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
)

func TestDecodeBounds(t *testing.T) {
	for _, tt := range []struct {
		name   string
		packet []byte
		ok     bool
	}{
		{"empty", nil, false},
		{"unknown", []byte{200}, false},
		{"the monitor's own kind", []byte{byte(KindExit)}, false},
		{"stdin", append([]byte{byte(KindStdin)}, "x"...), true},
		{"largest", append([]byte{byte(KindStdin)}, make([]byte, MaxPayload)...), true},
		{"too large", append([]byte{byte(KindStdin)}, make([]byte, MaxPayload+1)...), false},
		{"short resize", []byte{byte(KindResize), 1, 2, 3}, false},
		{"long resize", []byte{byte(KindResize), 1, 2, 3, 4, 5}, false},
		{"signal 0", []byte{byte(KindSignal), 0}, false},
		{"signal 65", []byte{byte(KindSignal), 65}, false},
		{"signal 64", []byte{byte(KindSignal), 64}, true},
		{"unknown attach flag", []byte{byte(KindAttach), 16}, false},
		{"start with a tail", []byte{byte(KindStart), 0}, false},
		{"setup of 4 GiB", append([]byte{byte(KindSetup)}, bytes.Repeat([]byte{0xff}, 12)...), false},
	} {
		if _, err := Decode(tt.packet); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestDecodeFields(t *testing.T) {
	z := Size{Rows: 300, Columns: 1}
	if m, err := Decode(append([]byte{byte(KindResize)}, z.Encode()...)); err != nil || m.Size != z {
		t.Errorf("size %+v, %v", m.Size, err)
	}
	l := SetupLengths{1, 2, 3}
	if m, err := Decode(append([]byte{byte(KindSetup)}, l.Encode()...)); err != nil || m.Setup != l {
		t.Errorf("lengths %+v, %v", m.Setup, err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{byte(KindSetup), 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0})
	f.Add([]byte{byte(KindResize), 24, 0, 80, 0})
	f.Add([]byte{byte(KindAttach), 7})
	f.Add([]byte{byte(KindSignal), 9})
	f.Add([]byte("\x23hello"))
	f.Fuzz(func(t *testing.T, p []byte) {
		m, err := Decode(p)
		if err != nil {
			return
		}
		if len(m.Data) > MaxPayload || m.Setup.Plan > MaxPlan || m.Setup.Header > MaxHeader || m.Setup.Files > MaxFiles {
			t.Fatalf("out of bounds: %+v", m)
		}
		if m.Kind == KindSignal && (m.Signal < 1 || m.Signal > 64) {
			t.Fatalf("signal %d", m.Signal)
		}
	})
}

func TestSetupKeepsRoles(t *testing.T) {
	file := func(name string) *os.File {
		fd, err := unix.Dup(0)
		if err != nil {
			t.Fatal(err)
		}
		return os.NewFile(uintptr(fd), name)
	}
	req := launch.Request{
		Program: file("program"), Plan: []byte("plan"), CloneFlags: 5, Detached: true, KeepGroups: true,
		Join: &launch.JoinTarget{PIDFD: file("join"), Flags: 6}, Cgroup: file("cgroup"),
		Stdio:      [3]*os.File{nil, file("stdout"), nil},
		ExtraFiles: []*os.File{file("extra")}, CgroupTasks: []*os.File{file("t0"), file("t1")},
		OpenFiles: []*os.File{file("open")},
		Enter:     []launch.NamespaceRef{{Index: 0, Flag: 7}},
		UIDMap:    []launch.IDMap{{Inside: 0, Outside: 100, Size: 5}},
		Hooks:     &launch.Hooks{}, Notify: &launch.Notify{Path: "p"}, Affinity: []uint64{3}, TimeOffsets: "o",
	}
	s, files := NewSetup(Config{ID: "x"}, req)
	got, err := s.Request(req.Plan, files)
	if err != nil {
		t.Fatal(err)
	}
	if got.Program.Name() != "program" || got.Join.PIDFD.Name() != "join" || got.Join.Flags != 6 ||
		got.Cgroup.Name() != "cgroup" || got.Stdio[0] != nil || got.Stdio[1].Name() != "stdout" ||
		got.ExtraFiles[0].Name() != "extra" || got.CgroupTasks[1].Name() != "t1" || got.OpenFiles[0].Name() != "open" ||
		got.CloneFlags != 5 || !got.Detached || !got.KeepGroups || !slices.Equal(got.Enter, req.Enter) || !slices.Equal(got.UIDMap, req.UIDMap) || got.Hooks == nil || got.Notify.Path != "p" || got.Affinity[0] != 3 || got.TimeOffsets != "o" {
		t.Errorf("request %+v", got)
	}
	if _, err := s.Request(nil, files[1:]); err == nil {
		t.Error("a missing descriptor was not noticed")
	}
	s.Extra = -1
	if _, err := s.Request(nil, files); err == nil {
		t.Error("a negative count was not noticed")
	}
}
