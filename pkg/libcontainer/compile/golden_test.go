package compile

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"sort"
	"strings"
	"testing"

	"github.com/manager-project/manager/pkg/cgroups"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// layouts are the hosts that the cases with mounts of type cgroup are compiled for.
var layouts = map[string]*cgroups.Layout{
	"v2": {Unified: "/sys/fs/cgroup"},
	"v1": {V1: []cgroups.Hierarchy{
		{Dir: "/sys/fs/cgroup/cpu,cpuacct", Name: "cpu,cpuacct", Controllers: []string{"cpu", "cpuacct"}},
		{Dir: "/sys/fs/cgroup/pids", Name: "pids", Controllers: []string{"pids"}},
	}},
	"hybrid": {Unified: "/sys/fs/cgroup/unified", V1: []cgroups.Hierarchy{
		{Dir: "/sys/fs/cgroup/memory", Name: "memory", Controllers: []string{"memory"}},
	}},
}

// TestGolden compiles the base with each case's changes and compares what is different in the plan, and
// in what goes beside it, with the golden files. A case is "NAME.json", a merge patch of the base (a key with
// "+" appends to a list; "options" is for the Options), and "NAME.plan".
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	withSELinux(t)
	withAppArmor(t, "mine")
	base := outcome(t, "{}")
	cases := 0
	for _, file := range files {
		if strings.HasSuffix(file, "seccomp.txtar") && runtime.GOARCH != "amd64" {
			t.Log("the filters in seccomp.txtar are those of amd64")
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			cases += goldenFile(t, file, base)
		})
	}
	if cases < 150 {
		t.Errorf("%d cases", cases)
	}
}

// withSELinux makes labels possible, whatever this kernel has.
func withSELinux(t *testing.T) {
	t.Helper()
	kept := selinuxFS
	t.Cleanup(func() { selinuxFS = kept })
	selinuxFS = t.TempDir()
	if err := os.WriteFile(filepath.Join(selinuxFS, "enforce"), []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// withAppArmor puts a kernel with the profiles in the place of this one's; without a profile it has no AppArmor.
func withAppArmor(t *testing.T, profiles ...string) {
	t.Helper()
	kept := appArmor
	t.Cleanup(func() { appArmor = kept })
	appArmor.Root = t.TempDir()
	if len(profiles) == 0 {
		return
	}
	for name, text := range map[string]string{
		"module/apparmor/parameters/enabled": "Y\n", "kernel/security/apparmor/profiles": strings.Join(profiles, " (enforce)\n") + " (enforce)\n",
	} {
		path := filepath.Join(appArmor.Root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAppArmorProfileThatIsNotThere wants a profile to be refused where it could not be applied, by its name.
func TestAppArmorProfileThatIsNotThere(t *testing.T) {
	for name, c := range map[string]struct {
		loaded      []string
		patch, want string
	}{
		"no AppArmor":           {nil, `{"process": {"apparmorProfile": "mine"}}`, "process.apparmorProfile: AppArmor is not enabled"},
		"not loaded":            {[]string{"mine2"}, `{"process": {"apparmorProfile": "mine"}}`, "AppArmor profile mine: no such AppArmor profile"},
		"nothing to be free of": {nil, `{"process": {"apparmorProfile": "unconfined"}}`, "<nil>"},
		"loaded":                {[]string{"mine2", "mine"}, `{"process": {"apparmorProfile": "mine"}}`, "<nil>"},
	} {
		t.Run(name, func(t *testing.T) {
			withAppArmor(t, c.loaded...)
			if got := fmt.Sprint(outcome(t, c.patch)["error"]); !strings.HasPrefix(got, c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// TestLabelWithoutSELinux wants both labels to be refused where they could not be applied.
func TestLabelWithoutSELinux(t *testing.T) {
	kept := selinuxFS
	t.Cleanup(func() { selinuxFS = kept })
	selinuxFS = t.TempDir()
	for patch, field := range map[string]string{
		`{"linux": {"mountLabel": "l"}}`: "linux.mountLabel", `{"process": {"selinuxLabel": "l"}}`: "process.selinuxLabel",
	} {
		if got := fmt.Sprint(outcome(t, patch)["error"]); !strings.HasPrefix(got, field+": SELinux is not enabled") {
			t.Errorf("%s: %s", patch, got)
		}
	}
}

func goldenFile(t *testing.T, file string, base map[string]any) int {
	ar, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, f := range ar.Files {
		want[f.Name] = string(f.Data)
	}
	out := &txtar.Archive{Comment: ar.Comment}
	n := 0
	for _, f := range ar.Files {
		name, ok := strings.CutSuffix(f.Name, ".json")
		if !ok {
			continue
		}
		n++
		got := render(difference(base, outcome(t, string(f.Data))))
		out.Files = append(out.Files, f, txtar.File{Name: name + ".plan", Data: []byte(got)})
		if !*update && got != want[name+".plan"] {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, want[name+".plan"])
		}
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// outcome compiles the base with a patch and returns everything that comes out, as JSON.
func outcome(t *testing.T, patch string) map[string]any {
	t.Helper()
	spec, opts, layout := patched(t, patch)
	c := &compiler{spec: spec, opts: opts, h: &Handles{}, layout: layout}
	if err := c.compile(); err != nil {
		c.h.Close()
		return map[string]any{"error": plain(t, err.Error())}
	}
	defer c.h.Close()
	enc, err := c.p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := plan.Decode(enc)
	if err != nil || !reflect.DeepEqual(canonical(t, back), canonical(t, &c.p)) {
		t.Fatalf("encoding loses something (%v) of %s", err, enc)
	}
	all := canonical(t, &c.p)
	h := c.h
	all["~clone"] = fmt.Sprintf("%#x", h.CloneFlags)
	for k, v := range map[string]any{
		"~enter": h.Enter, "~uid_map": h.UIDMap, "~gid_map": h.GIDMap, "~hooks": h.Hooks, "~notify": h.Notify, "~affinity": h.Affinity,
		"~time_offsets": h.TimeOffsets, "~poststart": h.Poststart, "~poststop": h.Poststop, "~warnings": h.Warnings,
	} {
		if !reflect.ValueOf(v).IsZero() {
			all[k] = v
		}
	}
	b, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	exactly(t, []byte(plain(t, string(b))), &out)
	return out
}

// plain puts names in place of what differs from run to run.
func plain(t *testing.T, s string) string {
	s = strings.ReplaceAll(s, bundle(t), "BUNDLE")
	return strings.ReplaceAll(s, filepath.Dir(bundle(t)), "PARENT")
}

// bundle is a directory with a root file system, for the whole test.
func bundle(t *testing.T) string {
	t.Helper()
	if bundleDir == "" {
		t.Fatal("no bundle")
	}
	return bundleDir
}

var bundleDir string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "compile-test")
		if err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		bundleDir = dir + "/bundle"
		if err := os.MkdirAll(bundleDir+"/rootfs", 0o755); err != nil {
			panic(err)
		}
		if err := os.WriteFile(bundleDir+"/file", nil, 0o644); err != nil {
			panic(err)
		}
		permitted = func() uint64 { return 1<<41 - 1 } // root on any host
		return m.Run()
	}())
}

func patched(t *testing.T, patch string) (*specs.Spec, Options, *cgroups.Layout) {
	t.Helper()
	b, options := document(t, patch)
	spec := &specs.Spec{}
	if err := json.Unmarshal(b, spec); err != nil {
		t.Fatal(err)
	}
	opts := Options{ID: "box", Bundle: bundle(t)}
	host := "v2"
	if h, ok := options["host"].(string); ok {
		host = h
	}
	delete(options, "host")
	b, err := json.Marshal(options)
	if err == nil {
		err = json.Unmarshal(b, &opts)
	}
	if err != nil {
		t.Fatal(err)
	}
	return spec, opts, layouts[host]
}

// document is the patched base, and what the patch says of options.
func document(t *testing.T, patch string) ([]byte, map[string]any) {
	t.Helper()
	b, err := os.ReadFile("testdata/base.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc, change map[string]any
	exactly(t, b, &doc)
	exactly(t, []byte(strings.ReplaceAll(patch, "BUNDLE", bundle(t))), &change)
	options, _ := change["options"].(map[string]any)
	delete(change, "options")
	merge(doc, change)
	if b, err = json.MarshalIndent(doc, "", " "); err != nil {
		t.Fatal(err)
	}
	return b, options
}

// exactly keeps large numbers as they are.
func exactly(t *testing.T, b []byte, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
}

// merge is RFC 7396, and appends to lists under a key with "+".
func merge(into, patch map[string]any) {
	for k, v := range patch {
		if name, ok := strings.CutPrefix(k, "+"); ok {
			list, _ := into[name].([]any)
			into[name] = append(list, v.([]any)...)
			continue
		}
		sub, isObject := v.(map[string]any)
		old, was := into[k].(map[string]any)
		switch {
		case v == nil:
			delete(into, k)
		case isObject && was:
			merge(old, sub)
		case isObject:
			fresh := map[string]any{}
			merge(fresh, sub)
			into[k] = fresh
		default:
			into[k] = v
		}
	}
}

func canonical(t *testing.T, v any) map[string]any {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	exactly(t, b, &out)
	return out
}

// difference keeps what is not in the base; of lists the elements; what is missing is nil.
func difference(base, got map[string]any) map[string]any {
	out := map[string]any{}
	if e, ok := got["error"]; ok {
		return map[string]any{"error": e}
	}
	for k, v := range got {
		if reflect.DeepEqual(base[k], v) {
			continue
		}
		m, isObject := v.(map[string]any)
		old, was := base[k].(map[string]any)
		list, isList := v.([]any)
		switch {
		case isObject && was:
			out[k] = difference(old, m)
		case isList:
			out[k] = newElements(base[k], list)
		default:
			out[k] = v
		}
	}
	for k := range base {
		if _, ok := got[k]; !ok {
			out[k] = nil
		}
	}
	return out
}

func newElements(base any, list []any) []any {
	old, _ := base.([]any)
	out := []any{}
next:
	for _, v := range list {
		for _, o := range old {
			if reflect.DeepEqual(o, v) {
				continue next
			}
		}
		out = append(out, v)
	}
	if len(out) == 0 {
		return []any{fmt.Sprintf("%d of %d elements", len(list), len(old))}
	}
	return out
}

// render gives each key, and each element of a list, a line.
func render(d map[string]any) string {
	var b strings.Builder
	line := func(key string, v any) {
		enc, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		text := string(enc)
		if s, ok := v.(string); ok && !strings.Contains(s, "\n") {
			text = s
		}
		b.WriteString(key + ": " + text + "\n")
	}
	keys := make([]string, 0, len(d))
	for k := range d {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		switch v := d[k].(type) {
		case []any:
			for _, e := range v {
				line(k, e)
			}
		case map[string]any:
			sub := make([]string, 0, len(v))
			for s := range v {
				sub = append(sub, s)
			}
			sort.Strings(sub)
			for _, s := range sub {
				line(k+"."+s, v[s])
			}
		default:
			line(k, v)
		}
	}
	if b.Len() == 0 {
		return "no difference\n"
	}
	return b.String()
}
