package render

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/manager-project/manager/pkg/errdefs"
)

// fruit has a JSON name that differs from the field's, and a method.
type fruit struct {
	ID    string `json:"Id"`
	Kinds []string
	Count int
}

// Name is a field of templates that is no field of the struct.
func (f fruit) Name() string { return "fruit " + f.ID }

var fruits = []fruit{{"a", []string{"x", "y"}, 3}, {"longer-than-twelve", nil, 0}}

func TestList(t *testing.T) {
	for _, c := range []struct {
		format    string
		noHeading bool
		want      string
	}{
		{"{{.ID}}", false, "a\nlonger-than-twelve\n"},
		{"{{.Id}}", false, "a\nlonger-than-twelve\n"},
		{"{{.ID}}\\t{{.Count}}", false, "a\t3\nlonger-than-twelve\t0\n"},
		{"{{json .Kinds}}", false, "[\"x\",\"y\"]\nnull\n"},
		{"{{join .Kinds \", \"}}", false, "x, y\n\n"},
		{"{{upper .ID}} {{.Count}}", false, "A 3\nLONGER-THAN-TWELVE 0\n"},
		{"{{range .}}{{.ID}};{{end}}", false, "a;longer-than-twelve;"},
		{"table {{.ID}} {{.Count}}", false, "FRUIT ID            COUNT\na                   3\nlonger-than-twelve  0\n"},
		{"table {{.ID}}\\t{{.Count}}", true, "a                   3\nlonger-than-twelve  0\n"},
		{"table {{.Name}}", false, "NAME\nfruit a\nfruit longer-than-twelve\n"},
		{"table {{join .Kinds \" \"}} {{.ID}}", true, "x y         a\n            longer-than-twelve\n"},
	} {
		f, err := ParseFormat(c.format)
		if err != nil {
			t.Errorf("%s: %v", c.format, err)
			continue
		}
		var b bytes.Buffer
		if err := List(&b, f, fruits, map[string]string{"ID": "FRUIT ID"}, c.noHeading); err != nil || b.String() != c.want {
			t.Errorf("%s: got %q, %v, want %q", c.format, b.String(), err, c.want)
		}
	}
}

func TestFormatErrors(t *testing.T) {
	for format, want := range map[string]string{
		"{{.Nope}}":       "there is no field Nope",
		"{{.ID.Nope}}":    "there is no field Nope",
		"{{nope .ID}}":    "nope",
		"{{.ID":           "unclosed action",
		"{{join .ID 3 }}": "join takes",
	} {
		f, err := ParseFormat(format)
		if err == nil {
			err = One(&bytes.Buffer{}, f, fruits[0])
		}
		if !errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "render.") {
			t.Errorf("%s: got %v, want %q", format, err, want)
		}
	}
}
