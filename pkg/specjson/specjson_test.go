package specjson

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// fill gives every field of a value something, as deep as the types go.
func fill(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(7)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(0.5)
	case reflect.String:
		v.SetString("<text>")
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), depth)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, depth)
		fill(elem, depth)
		v.SetMapIndex(key, elem)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() && depth < 12 {
				fill(v.Field(i), depth+1)
			}
		}
	default: // an interface takes what JSON would put there
		if v.Type() == reflect.TypeFor[any]() {
			v.Set(reflect.ValueOf("any"))
		}
	}
}

// TestSame looks at a configuration with every field that the specification has, so that one
// which a newer version of it adds is missed here.
func TestSame(t *testing.T) {
	full := &specs.Spec{}
	fill(reflect.ValueOf(full).Elem(), 0)
	for name, spec := range map[string]*specs.Spec{
		"everything": full, "nothing": {}, "empty parts": {Process: &specs.Process{}, Root: &specs.Root{}, Linux: &specs.Linux{Resources: &specs.LinuxResources{}}},
		"words":       {Hostname: "\"\\\n\x7f\u2028é<&>\xff", Annotations: map[string]string{"b": "1", "a": "2", "<": "&"}, Process: &specs.Process{Env: []string{"", "A=\t"}}},
		"empty lists": {Mounts: []specs.Mount{}, Annotations: map[string]string{}, Linux: &specs.Linux{Devices: []specs.LinuxDevice{}, NetDevices: map[string]specs.LinuxNetDevice{}}},
	} {
		t.Run(name, func(t *testing.T) {
			want, err := json.Marshal(spec)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Marshal(spec)
			if err != nil || string(got) != string(want) {
				t.Fatalf("%v\n%s\njson.Marshal:\n%s", err, got, want)
			}
			sameUnmarshal(t, want)
		})
	}
}

func sameUnmarshal(t *testing.T, b []byte) {
	t.Helper()
	var want, got specs.Spec
	wantErr, gotErr := json.Unmarshal(b, &want), Unmarshal(b, &got)
	if (wantErr == nil) != (gotErr == nil) || wantErr != nil && wantErr.Error() != gotErr.Error() {
		t.Fatalf("%s\nerror %v, json.Unmarshal's %v", b, gotErr, wantErr)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\n%s", b, diff)
	}
	wantText, wantErr := json.Marshal(&want)
	if gotText, err := Marshal(&got); string(gotText) != string(wantText) || (err == nil) != (wantErr == nil) {
		t.Errorf("%s, %v\njson.Marshal: %s, %v", gotText, err, wantText, wantErr)
	}
}

func FuzzUnmarshal(f *testing.F) {
	for _, s := range []string{
		`{}`, `null`, `[]`, ``, `{"linux":null}`, `{"linux":{"resources":null}}`, `{"LINUX":{"Resources":{"Pids":{"limit":1}}}}`, `{"linux":1}`,
		`{"linux":{"resources":[]}}`, `{"process":{"user":{"uid":-1}}}`, `{"mounts":[{"options":["a"]}]}`, `{"linux":{"seccomp":{"syscalls":[{"names":[1]}]}}}`,
		`{"ociVersion":1}`, `{"linux":{"devices":[{"fileMode":438}]}}`, `{"mounts":null,"hooks":{"prestart":[{"path":"/x","timeout":1.5}]}}`,
		`{"linux":{"cgroupsPath":"/a"},"linux":{"mountLabel":"b"}}`, `{"annotations":{"a":"1","a":"2","\u0062":"\n"}}`, `{"hostname":"\u00e9\ud83d\ude00\"é"}`,
		`{"process":{"oomScoreAdj":-1000,"rlimits":[{"type":"RLIMIT_CORE","hard":18446744073709551615,"soft":0}]}} `, "{\"hostname\":\"\xff\"}",
		`{"process":{"oomScoreAdj":-9223372036854775808}}`, `{"process":{"oomScoreAdj":-9223372036854775809}}`, `{"process":{"oomScoreAdj":01}}`, `{"process":{"oomScoreAdj":-0}}`,
		`{"process":{"scheduler":{"nice":-2147483648,"priority":2147483648}}}`, `{"process":{"terminal":truee}}`, `{"mounts":[,]}`, `{"mounts":[{}],}`, `{"mounts":[null,{"options":[]}]}`,
		`{"linux":{"resources":{"blockIO":{"weightDevice":[{"major":8,"minor":0,"weight":65535,"leafWeight":65536}]}}}}`, `{"windows":{"layerFolders":["x"]},"unknown":[1]}`, `{"hostname":"a"}b`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) { sameUnmarshal(t, b) })
}

// What engines write is read without encoding/json.
func TestQuickly(t *testing.T) {
	full := &specs.Spec{}
	fill(reflect.ValueOf(full).Elem(), 0)
	full.Solaris, full.Windows, full.VM, full.ZOS, full.FreeBSD = nil, nil, nil, nil, nil
	raw, err := json.MarshalIndent(full, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	r, got := reader{text: string(raw)}, specs.Spec{}
	r.spec(&got)
	if r.odd {
		t.Error("it gave up")
	}
	if diff := cmp.Diff(full, &got); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkUnmarshal(b *testing.B) {
	full := &specs.Spec{}
	fill(reflect.ValueOf(full).Elem(), 0)
	full.Solaris, full.Windows, full.VM, full.ZOS, full.FreeBSD = nil, nil, nil, nil, nil
	raw, err := json.MarshalIndent(full, "", "\t")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if err := Unmarshal(raw, new(specs.Spec)); err != nil {
			b.Fatal(err)
		}
	}
}
