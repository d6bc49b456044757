package specjson

import (
	"encoding/json"
	"reflect"
	"strings"
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
}

// twice says that a document names one of the taken-apart objects' fields twice.
func twice(b []byte) bool {
	d := json.NewDecoder(strings.NewReader(string(b)))
	var seen []map[string]bool
	for key := false; ; {
		t, err := d.Token()
		if err != nil {
			return false
		}
		switch v := t.(type) {
		case json.Delim:
			if v == '{' || v == '[' {
				seen = append(seen, nil)
				if key = v == '{'; key {
					seen[len(seen)-1] = map[string]bool{}
				}
				continue
			}
			seen = seen[:len(seen)-1]
		case string:
			if key {
				name := strings.ToLower(v)
				if seen[len(seen)-1][name] {
					return true
				}
				seen[len(seen)-1][name], key = true, false
				continue
			}
		}
		key = len(seen) > 0 && seen[len(seen)-1] != nil
	}
}

func FuzzUnmarshal(f *testing.F) {
	for _, s := range []string{
		`{}`, `null`, `[]`, ``, `{"linux":null}`, `{"linux":{"resources":null}}`, `{"LINUX":{"Resources":{"Pids":{"limit":1}}}}`, `{"linux":1}`,
		`{"linux":{"resources":[]}}`, `{"process":{"user":{"uid":-1}}}`, `{"mounts":[{"options":["a"]}]}`, `{"linux":{"seccomp":{"syscalls":[{"names":[1]}]}}}`,
		`{"ociVersion":1}`, `{"linux":{"devices":[{"fileMode":438}]}}`, `{"mounts":null,"hooks":{"prestart":[{"path":"/x","timeout":1.5}]}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if !twice(b) {
			sameUnmarshal(t, b)
		}
	})
}
