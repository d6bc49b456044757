package monitor

import (
	"bytes"
	"errors"
	"testing"

	"github.com/manager-project/manager/pkg/errdefs"
)

func TestParseDetachKeys(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "ctrl-p,ctrl-q": "\x10\x11", "a": "a", "ctrl-@": "\x00", "ctrl-[,x": "\x1bx", "CTRL-A": "\x01",
	} {
		got, err := ParseDetachKeys(in)
		if err != nil || string(got) != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"ctrl-", "ctrl-1", "ab", "a,,b", ",", "ä", "ctrl-pp", "shift-a"} {
		if _, err := ParseDetachKeys(in); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestMatcher(t *testing.T) {
	for _, tt := range []struct {
		keys, in, out string
		found         bool
	}{
		{"pq", "apq", "a", true},
		{"pq", "appq!", "ap", true},
		{"pq", "apx", "apx", false},
		{"aab", "aaab", "a", true},
		{"abac", "ababac", "ab", true},
		{"", "pq", "pq", false},
		{"pq", "ap", "ap", false},
	} {
		// Whole, and one byte at a time.
		for _, step := range []int{len(tt.in), 1} {
			m := matcher{keys: []byte(tt.keys)}
			var out []byte
			found := false
			for in := []byte(tt.in); len(in) > 0 && !found; in = in[step:] {
				out, found = m.filter(out, in[:step])
			}
			if !found {
				out = append(out, m.rest()...)
			}
			if string(out) != tt.out || found != tt.found {
				t.Errorf("keys %q, input %q by %d: %q, %v", tt.keys, tt.in, step, out, found)
			}
		}
	}
}

func FuzzDetachKeys(f *testing.F) {
	f.Add("ctrl-p,ctrl-q", []byte("text\x10\x10\x11more"))
	f.Add("a,a,b", []byte("aaab"))
	f.Fuzz(func(t *testing.T, spec string, input []byte) {
		keys, err := ParseDetachKeys(spec)
		if err != nil || len(keys) == 0 {
			return
		}
		m := matcher{keys: keys}
		out, found := m.filter(nil, input)
		at := bytes.Index(input, keys)
		if found != (at >= 0) {
			t.Fatalf("keys %q in %q: %v", keys, input, found)
		}
		if found {
			input = input[:at]
		} else {
			out = append(out, m.rest()...)
		}
		if !bytes.Equal(out, input) {
			t.Fatalf("passed on %q of %q", out, input)
		}
	})
}
