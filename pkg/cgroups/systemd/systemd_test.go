package systemd

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/manager-project/manager/pkg/errdefs"
)

func TestFromAnnotations(t *testing.T) {
	got, err := FromAnnotations(map[string]string{
		"org.systemd.property.TimeoutStopUSec": "uint64 5", "org.systemd.property.KillSignal": "15", "org.systemd.property.CollectMode": "'inactive-or-failed'",
		"org.systemd.property.RuntimeMaxSec": "1.5", "org.systemd.property.Before": "['a.target', 'b.target']", "other": "'",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"TimeoutStopUSec": uint64(5), "KillSignal": int32(15), "CollectMode": "inactive-or-failed", "RuntimeMaxUSec": uint64(1500000),
		"Before": []string{"a.target", "b.target"},
	}
	have := map[string]any{}
	for _, p := range got {
		have[p.Name] = p.Value.(dbus.Variant).Value()
	}
	if !reflect.DeepEqual(have, want) {
		t.Errorf("got %#v", have)
	}
	for key, value := range map[string]string{
		"A/B": "1", "": "1", "ab": "1", "1abc": "1", "TimeoutStopSec": "'soon'", "RuntimeMaxSec": "-1", "Text": "'", "Word": "word",
	} {
		_, err := FromAnnotations(map[string]string{annotationPrefix + key: value})
		if !errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error(), annotationPrefix+key) {
			t.Errorf("%s=%s: %v", key, value, err)
		}
	}
}

// TestNesting refuses what would keep the parser busy for hours, and counts no brackets in quotes.
func TestNesting(t *testing.T) {
	deep := strings.Repeat("{'a':", 40) + "1" + strings.Repeat("}", 40)
	for value, bad := range map[string]bool{deep: true, "'[[[[[[[['": false, `"\"[[[[[[["`: false, "[[['a']]]": false, strings.Repeat(" ", maxValue) + "1": true} {
		if _, err := FromAnnotations(map[string]string{annotationPrefix + "Before": value}); (err != nil) != bad {
			t.Errorf("%.40q: %v", value, err)
		}
	}
}

func FuzzFromAnnotations(f *testing.F) {
	for _, s := range []string{"uint64 5", "'a'", "['a', 'b']", "{'a': 1}", "<1>", "(1, 2)", "b'x'", "1e400", "", "{'a':{'a':{'a':{'a':1}}}}"} {
		f.Add("TimeoutStopSec", s)
		f.Add("Before", s)
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		p, err := FromAnnotations(map[string]string{annotationPrefix + name: value})
		if err == nil && len(p) != 1 {
			t.Errorf("%d properties", len(p))
		}
	})
}

func TestOuterUID(t *testing.T) {
	for _, tc := range []struct {
		table     string
		uid, want int
	}{
		{"         0          0 4294967295\n", 1000, 1000},
		{"         0       1000          1\n         1     100000      65536\n", 0, 1000},
		{"         0       1000          1\n         1     100000      65536\n", 5, 100004},
		{"nonsense\n", 7, 7},
		{"0 1000 1\n", 3, 3},
	} {
		if got := outerUID(tc.table, tc.uid); got != tc.want {
			t.Errorf("%q: %d becomes %d, want %d", tc.table, tc.uid, got, tc.want)
		}
	}
}

func TestMajorVersion(t *testing.T) {
	for in, want := range map[string]int{"252.39-1~deb12u1": 252, "v239 (239-1)": 239, "256~rc3": 256, "": 0, "x": 0} {
		if got := majorVersion(in); got != want {
			t.Errorf("%q: %d", in, got)
		}
	}
}

func TestAddresses(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "")
	if got := addresses(false); !reflect.DeepEqual(got, []string{system, private}) {
		t.Errorf("got %q", got)
	}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:abstract=x")
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/7 7")
	want := []string{"unix:abstract=x", "unix:path=/run/user/7%207/bus", "unix:path=/run/user/7%207/systemd/private"}
	if got := addresses(true); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
}
