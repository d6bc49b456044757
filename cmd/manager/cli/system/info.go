package system

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/cmd/manager/cli/render"
	"github.com/manager-project/manager/libpod"
)

// informer is what info needs of the core.
type informer interface {
	Info(ctx context.Context) (*libpod.Info, error)
}

// Info is `manager info`.
func Info() *command.Command {
	var format string
	return &command.Command{
		Use:   "info [options]",
		Short: "Show what manager found out about this machine and its store",
		Examples: `# Where images are kept
manager info --format '{{.Store.GraphRoot}}'`,
		Flags: func() []flags.Flag {
			return []flags.Flag{{Name: "format", Short: "f", To: &format, Choices: []string{"json"}, Usage: "json, or a Go template"}}
		},
		Args: command.NoArgs,
		Run: func(ctx context.Context, app *command.App, _ []string) error {
			f, err := render.ParseFormat(format)
			if err != nil {
				return err
			}
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			return info(ctx, app, rt, f)
		},
	}
}

// Noun is `manager system`.
func Noun() *command.Command {
	return &command.Command{
		Use:      "system [command]",
		Short:    "Manage manager itself",
		Commands: []*command.Command{Check(), Events(), Info(), Migrate()},
	}
}

func info(ctx context.Context, app *command.App, core informer, f render.Format) error {
	i, err := core.Info(ctx)
	if err != nil {
		return err
	}
	switch {
	case f.JSON():
		return render.JSON(app.Out, i)
	case !f.Default():
		return render.One(app.Out, f, i)
	}
	var b strings.Builder
	writeYAML(&b, reflect.ValueOf(i), "")
	_, err = io.WriteString(app.Out, b.String())
	return err
}

// writeYAML writes a struct's fields under their JSON names, in the order of the type.
func writeYAML(b *strings.Builder, v reflect.Value, indent string) {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			name, omit := jsonName(v.Type().Field(i))
			if omit && v.Field(i).IsZero() {
				continue
			}
			writeEntry(b, name, v.Field(i), indent)
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			writeEntry(b, k.String(), v.MapIndex(k), indent)
		}
	default:
	}
}

func writeEntry(b *strings.Builder, name string, v reflect.Value, indent string) {
	for (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) && !v.IsNil() {
		v = v.Elem()
	}
	fmt.Fprintf(b, "%s%s:", indent, name)
	switch v.Kind() {
	case reflect.Struct, reflect.Map:
		if v.Kind() == reflect.Map && v.Len() == 0 {
			b.WriteString(" {}\n")
			return
		}
		b.WriteByte('\n')
		writeYAML(b, v, indent+"  ")
	case reflect.Slice:
		if v.IsNil() {
			b.WriteString(" null\n")
			return
		}
		if v.Len() == 0 {
			b.WriteString(" []\n")
			return
		}
		b.WriteByte('\n')
		for i := range v.Len() {
			writeItem(b, v.Index(i), indent)
		}
	default:
		b.WriteString(" " + scalar(v) + "\n")
	}
}

func writeItem(b *strings.Builder, v reflect.Value, indent string) {
	if v.Kind() != reflect.Struct {
		fmt.Fprintf(b, "%s- %s\n", indent, scalar(v))
		return
	}
	var inner strings.Builder
	writeYAML(&inner, v, indent+"  ")
	b.WriteString(indent + "- " + strings.TrimPrefix(inner.String(), indent+"  "))
}

func jsonName(f reflect.StructField) (name string, omitEmpty bool) {
	tag, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
	if tag == "" {
		tag = f.Name
	}
	return tag, strings.Contains(rest, "omitempty")
}

// scalar writes text that another reader could take for something else in quotes.
func scalar(v reflect.Value) string {
	if v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		return "null"
	}
	if v.Kind() != reflect.String {
		data, _ := json.Marshal(v.Interface())
		return string(data)
	}
	s := v.String()
	_, number := strconv.ParseFloat(s, 64)
	if s == "" || number == nil || s == "true" || s == "false" || s == "null" || strings.ContainsAny(s, ":#{}[]&*!|>'\"%@`,\n") || strings.TrimSpace(s) != s || s[0] == '-' {
		return strconv.Quote(s)
	}
	return s
}
