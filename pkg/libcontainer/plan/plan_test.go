package plan

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

func full() *Plan {
	umask, score, persona := uint32(18), 5, uint32(8)
	return &Plan{
		Rootfs: &Rootfs{Path: "/r", Readonly: true, Propagation: 1 << 18},
		Mounts: []Mount{{
			Kind: MountFS, FSType: "tmpfs", Source: "tmpfs", Target: "/t", Options: []Pair{{Key: "size", Value: "1m"}, {Key: "noswap"}},
			Set: 1, RecClear: 2, Propagation: []uint64{3}, Flags: 4, NoFollowSource: true,
		}},
		Devices: []Device{{Path: "/d", Mode: 0o20666, Major: 1, Minor: 3, Source: "/dev/null"}},
		Sysctl:  []Pair{{Key: "net/x", Value: "1"}},
		Hooks:   &Hooks{State: State{ID: "x", Annotations: map[string]string{"a": "b"}}, Parent: true, CreateContainer: []Hook{{Path: "/h", Timeout: time.Second}}},
		Process: Process{
			Args: []string{"a", ""}, Env: []string{"A="}, Cwd: "/", Groups: []uint32{1}, Umask: &umask, OOMScoreAdj: &score, Personality: &persona,
			Capabilities: &Capabilities{Bounding: 1 << 40}, Rlimits: []Rlimit{{Resource: 7, Soft: 1, Hard: 1<<64 - 1}},
			Seccomp: &Seccomp{Filter: []byte{1, 2, 3}, Flags: 8, Listener: true}, MemoryPolicy: &MemoryPolicy{Mode: 2, Nodes: []uint64{1 << 63}},
			Affinity: []uint64{3}, ResetAffinity: true, IOPriority: &IOPriority{Value: 3}, Scheduler: &Scheduler{Policy: 1, Nice: -3},
		},
	}
}

func TestEncodingKeepsEverything(t *testing.T) {
	p := full()
	b, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := Decode(b)
	if err != nil || !reflect.DeepEqual(back, p) {
		t.Errorf("%+v, %v", back, err)
	}
	for name, bad := range map[string]string{"text": `{"version":1}`, "nothing": "", "cut": string(b[:len(b)/2]), "more": string(b) + "x"} {
		if p, err := Decode([]byte(bad)); err == nil {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// FuzzDecode reads any bytes as a plan: an error, or a plan that encodes to itself.
func FuzzDecode(f *testing.F) {
	if b, err := full().Encode(); err == nil {
		f.Add(b)
	}
	if b, err := (&Plan{}).Encode(); err == nil {
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Add([]byte("[]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Decode(b)
		if err != nil {
			return
		}
		enc, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Decode(enc)
		if err != nil {
			t.Fatalf("%v in %s", err, enc)
		}
		x, _ := json.Marshal(p)
		y, _ := json.Marshal(again)
		if string(x) != string(y) {
			t.Fatalf("%s\n%s", x, y)
		}
	})
}
