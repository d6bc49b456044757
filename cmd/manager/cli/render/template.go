package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"text/template"
	"unicode"

	"github.com/manager-project/manager/pkg/errdefs"
)

// Format is the value of --format.
type Format struct {
	text     string
	table    bool
	template *template.Template
}

// ParseFormat reads a --format value: "" and "table" are the default table, "json" is
// JSON, everything else a Go template, as a table with headings after the word "table".
func ParseFormat(value string) (Format, error) {
	f := Format{text: value}
	switch {
	case f.Default(), f.JSON():
		return f, nil
	case strings.HasPrefix(value, "table "), strings.HasPrefix(value, "table\t"), strings.HasPrefix(value, `table\t`):
		f.table = true
		value = columns(strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(value, "table"), `\t`)))
	}
	value = strings.NewReplacer(`\t`, "\t", `\n`, "\n", `\r`, "\r").Replace(value)
	t, err := template.New("format").Funcs(functions).Parse(value)
	if err != nil {
		return f, errdefs.Invalid("--format", f.text, "%s", templateCause(err)).WithHint("write a Go template, as {{.ID}}, or json")
	}
	f.template = t
	return f, nil
}

// columns turns the blanks between a table's actions into tabs, as Podman does: each is a
// column. Blanks inside an action stay.
func columns(value string) string {
	var b strings.Builder
	for {
		open := strings.Index(value, "{{")
		if open < 0 {
			break
		}
		length := strings.Index(value[open:], "}}")
		if length < 0 {
			break
		}
		end := open + length + len("}}")
		b.WriteString(strings.ReplaceAll(value[:open], " ", "\t"))
		b.WriteString(value[open:end])
		value = value[end:]
	}
	b.WriteString(strings.ReplaceAll(value, " ", "\t"))
	return b.String()
}

// Default says that the command's own layout is wanted.
func (f Format) Default() bool { return f.text == "" || f.text == "table" }

// JSON says that JSON is wanted, in any of the ways people write it.
func (f Format) JSON() bool {
	t := strings.TrimSpace(f.text)
	return t == "json" || t == "{{json .}}" || t == "{{ json .}}" || t == "{{ json . }}"
}

// wholeRange says that the template walks the list itself.
func (f Format) wholeRange() bool {
	return strings.HasPrefix(strings.TrimSpace(f.text), "{{range") || strings.HasPrefix(strings.TrimSpace(f.text), "{{ range")
}

// List writes one line for each row through the template. headings are the titles of
// fields that are not the field's name in upper case words; noHeading leaves them out.
func List[T any](w io.Writer, f Format, rows []T, headings map[string]string, noHeading bool) error {
	var b bytes.Buffer
	if f.table && !noHeading {
		if err := f.execute(&b, headingsOf(reflect.TypeFor[T](), headings)); err != nil {
			return err
		}
		b.WriteByte('\n')
	}
	if f.wholeRange() {
		if err := f.execute(&b, rows); err != nil {
			return err
		}
	} else {
		for _, row := range rows {
			if err := f.execute(&b, row); err != nil {
				return err
			}
			b.WriteByte('\n')
		}
	}
	if f.table {
		return tabulate(w, b.String())
	}
	_, err := w.Write(b.Bytes())
	return err
}

// One writes one value through the template and ends the line.
func One(w io.Writer, f Format, value any) error {
	var b bytes.Buffer
	if err := f.execute(&b, value); err != nil {
		return err
	}
	if !bytes.HasSuffix(b.Bytes(), []byte("\n")) {
		b.WriteByte('\n')
	}
	_, err := w.Write(b.Bytes())
	return err
}

// execute fills the template in. Where it names a field that the value has not, its words
// are taken for the names of the JSON output, so that {{.Id}} is as good as {{.ID}}.
func (f Format) execute(b *bytes.Buffer, value any) error {
	start := b.Len()
	err := f.template.Execute(b, value)
	if err == nil {
		return nil
	}
	b.Truncate(start)
	if generic, ok := byJSONName(value); ok && f.template.Option("missingkey=error").Execute(b, generic) == nil {
		return nil
	}
	b.Truncate(start)
	e := errdefs.Invalid("--format", f.text, "%s", templateCause(err))
	return e.WithHint("\"--format json\" shows what there is")
}

// byJSONName is a struct as its JSON output.
func byJSONName(value any) (map[string]any, bool) {
	data, err := json.Marshal(value)
	if err != nil {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var generic map[string]any
	return generic, d.Decode(&generic) == nil && len(generic) > 0
}

// templateCause cuts what the template package says down to what the user wrote. A field
// that is not there is named without our type.
func templateCause(err error) string {
	if _, rest, ok := strings.Cut(err.Error(), "can't evaluate field "); ok {
		name, _, _ := strings.Cut(rest, " in type ")
		return "there is no field " + name
	}
	text := strings.TrimPrefix(err.Error(), "template: ")
	if i := strings.Index(text, ">: "); i >= 0 {
		text = text[i+3:]
	} else if i := strings.Index(text, ": "); i >= 0 {
		text = text[i+2:]
	}
	return text
}

// JSON writes value as indented JSON, without escaping <, > and &.
func JSON(w io.Writer, value any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "     ")
	return e.Encode(value)
}

var functions = template.FuncMap{
	"json":     jsonText,
	"join":     join,
	"lower":    strings.ToLower,
	"upper":    strings.ToUpper,
	"title":    title,
	"split":    strings.Split,
	"pad":      pad,
	"truncate": truncate,
	"println":  fmt.Sprintln,
}

func jsonText(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return strings.TrimSpace(b.String()), err
}

// join takes its arguments in Docker's order, and in the other.
func join(a, b any) (string, error) {
	list, ok := a.([]string)
	separator, isText := b.(string)
	if !ok {
		list, ok = b.([]string)
		separator, isText = a.(string)
	}
	if !ok || !isText {
		return "", fmt.Errorf("join takes a list of words and a separator, not %T and %T", a, b)
	}
	return strings.Join(list, separator), nil
}

func title(s string) string {
	upper := true
	return strings.Map(func(r rune) rune {
		if upper {
			r = unicode.ToUpper(r)
		}
		upper = unicode.IsSpace(r)
		return r
	}, s)
}

func pad(s string, before, after int) string {
	if s == "" {
		return s
	}
	return strings.Repeat(" ", max(before, 0)) + s + strings.Repeat(" ", max(after, 0))
}

func truncate(s string, length int) string {
	if r := []rune(s); length >= 0 && len(r) > length {
		return string(r[:length])
	}
	return s
}

// headingRow stands for a row when headings are printed: every field is its title.
type headingRow map[string]string

// Label stands for the method of rows that looks a label up.
func (headingRow) Label(string) string { return "LABEL" }

func headingsOf(t reflect.Type, special map[string]string) headingRow {
	row := headingRow{}
	add := func(name string) { row[name] = upperWords(name) }
	fieldNames(t, add)
	for i := range t.NumMethod() {
		add(t.Method(i).Name)
	}
	for name, text := range special {
		row[name] = text
	}
	delete(row, "Label")
	return row
}

func fieldNames(t reflect.Type, add func(string)) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return
	}
	for _, f := range reflect.VisibleFields(t) {
		if f.IsExported() {
			add(f.Name)
		}
	}
}

// upperWords turns "RunningFor" into "RUNNING FOR" and leaves "ID" and "PIDNS" whole.
func upperWords(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if i > 0 && unicode.IsUpper(r) && unicode.IsLower(runes[i-1]) {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToUpper(r))
	}
	return b.String()
}
