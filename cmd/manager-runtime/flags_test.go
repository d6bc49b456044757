package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write golden files")

// values are what the table of the test below fills.
type values struct {
	b      bool
	s      string
	i      int
	i64    *int64
	u64    *uint64
	d      time.Duration
	l      []string
	x, y   bool
	hidden int64
}

func (v *values) flags() []option {
	return []option{
		{name: "bool", short: "b", to: &v.b},
		{name: "string", short: "s", to: &v.s},
		{name: "int", to: &v.i},
		{name: "signed", to: &v.i64},
		{name: "unsigned", to: &v.u64},
		{name: "time", to: &v.d},
		{name: "list", short: "l", to: &v.l},
		{name: "xx", short: "x", to: &v.x},
		{name: "yy", short: "y", to: &v.y},
		{name: "hidden", to: &v.hidden, hidden: true},
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		words   string
		inOrder bool
		rest    string
		check   func(v *values) bool
		err     string
	}{
		{words: "", check: func(*values) bool { return true }},
		{words: "--bool a", rest: "a", check: func(v *values) bool { return v.b }},
		{words: "-b a", rest: "a", check: func(v *values) bool { return v.b }},
		{words: "--bool=false a", rest: "a", check: func(v *values) bool { return !v.b }},
		{words: "--string x a", rest: "a", check: func(v *values) bool { return v.s == "x" }},
		{words: "--string=x a", rest: "a", check: func(v *values) bool { return v.s == "x" }},
		{words: "-s x a", rest: "a", check: func(v *values) bool { return v.s == "x" }},
		{words: "-s=x=y a", rest: "a", check: func(v *values) bool { return v.s == "x=y" }},
		{words: "-string x a", rest: "a", check: func(v *values) bool { return v.s == "x" }},
		{words: "--string= a", rest: "a", check: func(v *values) bool { return v.s == "" }},
		{words: "--string --bool", check: func(v *values) bool { return v.s == "--bool" && !v.b }},
		{words: "a --bool b", rest: "a b", check: func(v *values) bool { return v.b }},
		{words: "a --bool b", inOrder: true, rest: "a --bool b", check: func(v *values) bool { return !v.b }},
		{words: "--bool -- --string", rest: "--string", check: func(v *values) bool { return v.b && v.s == "" }},
		{words: "- a", rest: "- a", check: func(*values) bool { return true }},
		{words: "-bxy", check: func(v *values) bool { return v.b && v.x && v.y }},
		{words: "-l 1 --list 2 -l=3", check: func(v *values) bool { return slices.Equal(v.l, []string{"1", "2", "3"}) }},
		{words: "--int -5 --signed -1 --unsigned 7 --time 1m30s", check: func(v *values) bool {
			return v.i == -5 && *v.i64 == -1 && *v.u64 == 7 && v.d == 90*time.Second
		}},
		{words: "--hidden 3", check: func(v *values) bool { return v.hidden == 3 && v.i64 == nil && v.u64 == nil }},
		{words: "--nothing", err: "flag provided but not defined: --nothing"},
		{words: "--strong x", err: "did you mean --string?"},
		{words: "-bz", err: "flag provided but not defined: -bz"},
		{words: "-bs", err: "flag provided but not defined: -bs"},
		{words: "--string", err: "flag needs an argument: --string"},
		{words: "-s", err: "flag needs an argument: -s"},
		{words: "--bool=maybe", err: `invalid value "maybe" for flag --bool`},
		{words: "--int x", err: `invalid value "x" for flag --int: invalid syntax`},
		{words: "--int 1.5", err: "invalid value"},
		{words: "--int 0x1", err: "invalid value"},
		{words: "--signed 99999999999999999999", err: "value out of range"},
		{words: "--unsigned -1", err: "invalid value"},
		{words: "--time 5", err: "invalid value"},
	} {
		v := &values{}
		p := parser{flags: v.flags(), inOrder: c.inOrder}
		rest, err := p.parse(strings.Fields(c.words))
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q: %v, want %q", c.words, err, c.err)
			}
			continue
		}
		if err != nil || strings.Join(rest, " ") != c.rest || !c.check(v) {
			t.Errorf("%q: rest %q, %+v, %v", c.words, rest, v, err)
		}
	}
}

// TestHelp compares the help of every command with a file.
func TestHelp(t *testing.T) {
	words := []string{""}
	for _, c := range commands() {
		words = append(words, c.name)
	}
	t.Setenv("XDG_RUNTIME_DIR", "")
	for _, w := range words {
		var out bytes.Buffer
		a := newApp()
		a.out = &out
		args := strings.Fields(w + " --help")
		if code := a.main(args); code != 0 {
			t.Errorf("%q: exit code %d", args, code)
		}
		path := filepath.Join("testdata/help", w+".golden")
		if w == "" {
			path = "testdata/help/all.golden"
		}
		if *update {
			if err := os.MkdirAll("testdata/help", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || out.String() != string(want) {
			t.Errorf("%q differs from %s, %v:\n%s", args, path, err, out.String())
		}
		if w == "" {
			continue
		}
		out.Reset()
		if code := a.main([]string{"help", w}); code != 0 || out.String() != string(want) {
			t.Errorf("help %s: exit code %d\n%s", w, code, out.String())
		}
		if second := lines(string(want))[1]; !strings.HasPrefix(second, "   "+name+" "+w+" ") {
			t.Errorf("%s: the second line is %q", w, second)
		}
	}
}

// TestTables looks for mistakes in the commands' tables.
func TestTables(t *testing.T) {
	for i, c := range commands() {
		if c.name != makers()[i].name {
			t.Errorf("%s is found as %s", c.name, makers()[i].name)
		}
	}
	all := append(commands(), &command{name: "global", flags: newApp().flags()})
	for _, c := range all {
		seen := map[string]bool{"help": true, "h": true}
		for _, f := range c.flags {
			for _, n := range []string{f.name, f.short} {
				if n != "" && seen[n] {
					t.Errorf("%s: option %s is there twice", c.name, n)
				}
				seen[n] = true
			}
			_, isBool := f.to.(*bool)
			if isBool != (f.value == "") || f.usage == "" && !f.hidden || len(f.short) > 1 {
				t.Errorf("%s: option %s is incomplete", c.name, f.name)
			}
		}
	}
}
