package compile

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzConfig compiles any bytes as a configuration: an error of a class that begins with a field or a file,
// or a plan that survives its encoding. No descriptor may stay open.
func FuzzConfig(f *testing.F) {
	base, err := os.ReadFile("testdata/base.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(base)
	for _, c := range broken {
		f.Add([]byte(c.patch))
	}
	files, _ := filepath.Glob("testdata/golden/*.txtar")
	for _, file := range files {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, c := range ar.Files {
			if strings.HasSuffix(c.Name, ".json") {
				f.Add(c.Data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, doc := range [][]byte{b, overBase(t, base, b)} {
			spec := &specs.Spec{}
			err := decode(doc, "config.json", spec)
			if err == nil && startsProcesses(spec) {
				continue
			}
			if err == nil {
				err = compileOnce(t, spec)
			}
			if err == nil {
				continue
			}
			if !errors.Is(err, errdefs.ErrInvalid) && !errors.Is(err, errdefs.ErrUnsupported) {
				t.Fatalf("%v has no class", err)
			}
			if name, _, ok := strings.Cut(err.Error(), ": "); !ok || name == "" {
				t.Fatalf("%v names no field", err)
			}
		}
	})
}

func compileOnce(t *testing.T, spec *specs.Spec) error {
	t.Helper()
	p, h, err := Container(spec, Options{ID: "box", Bundle: bundle(t), PreserveFDs: 1})
	if err != nil {
		return err
	}
	defer h.Close()
	enc, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plan.Decode(enc); err != nil {
		t.Fatalf("%v in %s", err, enc)
	}
	for _, ref := range h.Enter {
		if ref.Index < 0 || ref.Index >= len(h.Files) {
			t.Fatalf("reference %d of %d files", ref.Index, len(h.Files))
		}
	}
	for _, m := range p.Mounts {
		if !strings.HasPrefix(m.Target, "/") || strings.Contains(m.Target+"/", "/../") || m.File > len(h.Files) {
			t.Fatalf("mount %+v", m)
		}
	}
	return nil
}

// overBase makes a configuration of changes to the base, so that what is fuzzed gets past the first check.
func overBase(t *testing.T, base, changes []byte) []byte {
	t.Helper()
	var doc, change map[string]any
	if json.Unmarshal(changes, &change) != nil {
		return changes
	}
	if err := json.Unmarshal(base, &doc); err != nil {
		t.Fatal(err)
	}
	for k, v := range change { // merge's lists are for our own patches
		if !strings.HasPrefix(k, "+") {
			merge(doc, map[string]any{k: onlyPlain(v)})
		}
	}
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func onlyPlain(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := map[string]any{}
	for k, e := range m {
		if !strings.HasPrefix(k, "+") {
			out[k] = onlyPlain(e)
		}
	}
	return out
}

// startsProcesses says that compiling would start one for each mount's user namespace.
func startsProcesses(spec *specs.Spec) bool {
	for i := range spec.Mounts {
		if o, err := parseOptions(spec.Mounts[i].Options); err == nil && wantsIDMap(&spec.Mounts[i], o) {
			return true
		}
	}
	return false
}

// FuzzMountOptions reads any list of options, a line each.
func FuzzMountOptions(f *testing.F) {
	for _, s := range []string{
		"ro", "rbind\nrro\nrprivate", "size=64m\nmode=755", "idmap=uids=0-1-2#3-4-5;gids=0-0-1", "ridmap", "", "=", "a,b", "r", "rr", "x=\x00",
		"noatime\nrelatime\nstrictatime", "copy-symlink\nsrc-nofollow\ndest-nofollow", "idmap=@uids=0-1-2", "idmap=uids=-1-2-3",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list := strings.Split(text, "\n")
		o, err := parseOptions(list)
		if err != nil {
			if o != nil || strings.TrimSpace(err.Error()) == "" {
				t.Fatalf("%+v, %v", o, err)
			}
			return
		}
		if o.set&o.clear&^uint64(0x70) != 0 || o.recSet&o.recClear&^uint64(0x70) != 0 { // the access time is a field, not bits
			t.Fatalf("%q both sets and clears: %+v", list, o)
		}
		for _, d := range o.data {
			if d.Key == "" || strings.Contains(d.Key, ",") {
				t.Fatalf("option %+v of %q", d, list)
			}
		}
		// A list given twice says nothing new.
		twice, err := parseOptions(append(append([]string{}, list...), list...))
		if err != nil || twice.bind != o.bind || twice.copyUp != o.copyUp || twice.idmap != o.idmap || twice.set != o.set {
			t.Fatalf("%q: %+v and %+v (%v)", list, o, twice, err)
		}
	})
}

// FuzzNumberList reads lists of processors and nodes.
func FuzzNumberList(f *testing.F) {
	for _, s := range []string{"", "0", "0-3,5", "8191", "8192", "3-1", "-1", "1-", ",", "0-8191", "0\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := numberList(text)
		if err != nil {
			return
		}
		words := bits(list)
		if len(words) > 8192/64 {
			t.Fatalf("%q: %d words", text, len(words))
		}
		for _, n := range list {
			if words[n/64]>>(n%64)&1 == 0 {
				t.Fatalf("%q: %d is missing", text, n)
			}
		}
	})
}
