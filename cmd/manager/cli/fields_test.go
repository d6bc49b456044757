package cli

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/manager-project/manager/libpod"
	"github.com/manager-project/manager/libpod/image"
)

// withoutField are fields that people know and we print only when they say something, or
// that have a name of the example in them.
var withoutField = []string{
	".Healthcheck.", ".Annotations.", ".Labels.", ".Health.", ".Networks.none", ".graphStatus.", ".GraphDriver.Data.",
	"host.pasta", "Attributes",
}

// TestJSONFields holds that our documents have every field that scripts may ask for. The
// test looks at the types, so that optional fields count too.
func TestJSONFields(t *testing.T) {
	types := map[string]reflect.Type{
		"container inspect": reflect.TypeFor[libpod.InspectData](),
		"info":              reflect.TypeFor[libpod.Info](),
		"image inspect":     reflect.TypeFor[image.Inspection](),
		"volume inspect":    reflect.TypeFor[libpod.Volume](),
	}
	checked := 0
	for _, row := range readTable(t, "json-output.tsv") {
		typ := types[row[0]]
		if typ == nil || skipField(row[1]) {
			continue
		}
		checked++
		path := strings.TrimPrefix(strings.TrimPrefix(row[1], "[]"), ".")
		if got := kindAt(typ, strings.Split(path, ".")); !fits(got, row[2]) {
			t.Errorf("%s %s: %q, want %s", row[0], row[1], got, row[2])
		}
	}
	if checked < 250 {
		t.Errorf("only %d fields compared", checked)
	}
}

func skipField(path string) bool {
	for _, s := range withoutField {
		if strings.Contains(path+".", s) {
			return true
		}
	}
	return false
}

// kindAt follows JSON names through a type and says what JSON it becomes, "" for nothing.
func kindAt(t reflect.Type, path []string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if len(path) == 0 {
		return jsonKind(t)
	}
	name, list := strings.CutSuffix(path[0], "[]")
	field, ok := fieldOf(t, name)
	if !ok {
		return ""
	}
	if list {
		if field.Kind() != reflect.Slice {
			return ""
		}
		field = field.Elem()
	}
	return kindAt(field, path[1:])
}

func fieldOf(t reflect.Type, name string) (reflect.Type, bool) {
	if t.Kind() != reflect.Struct {
		return nil, false
	}
	for _, f := range reflect.VisibleFields(t) {
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == name || tag == "" && f.Name == name && !f.Anonymous {
			return f.Type, true
		}
	}
	return nil, false
}

func jsonKind(t reflect.Type) string {
	if t.Implements(reflect.TypeFor[json.Marshaler]()) || reflect.PointerTo(t).Implements(reflect.TypeFor[json.Marshaler]()) {
		return "string"
	}
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "bool"
	case reflect.Struct, reflect.Map:
		return "object"
	case reflect.Slice:
		return "list"
	}
	return "number"
}

// fits compares with the table's word: null and ? say nothing about the type.
func fits(got, want string) bool {
	return got == want || got != "" && (want == "null" || want == "?")
}
