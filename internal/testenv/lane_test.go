package testenv

import (
	"strings"
	"testing"
)

// TestFate decides for a world that has only what is listed.
func TestFate(t *testing.T) {
	for name, tc := range map[string]struct {
		world []Feature
		lane  string
		needs []Feature
		fate  fate
		text  string
	}{
		"all there":            {[]Feature{Root, V1}, "", []Feature{Root, V1}, runs, ""},
		"nothing needed":       {nil, "", nil, runs, ""},
		"the first lane":       {[]Feature{Root, V1}, "", []Feature{Unified, Systemd}, skips, "left to lane v2: needs unified (absent), systemd (absent)"},
		"the user's lane":      {[]Feature{Root, V1}, "", []Feature{User}, skips, "left to lane v2-user: needs user (absent)"},
		"either mode":          {[]Feature{Root}, "", []Feature{SELinux}, skips, "left to lane permissive: needs selinux (absent)"},
		"one mode":             {[]Feature{Root}, "", []Feature{Enforcing}, skips, "left to lane enforcing: needs enforcing (absent)"},
		"no lane has it":       {[]Feature{Root, Unified, Systemd}, LaneV2, []Feature{V1}, skips, "left to another host: needs v1 (absent)"},
		"no lane has both":     {nil, "", []Feature{User, Enforcing}, skips, "left to another host: needs user (absent), enforcing (absent)"},
		"another lane's":       {[]Feature{Root, Unified, Systemd}, LaneV2, []Feature{User, Delegated}, skips, "left to lane v2-user: needs user (absent), delegated (absent)"},
		"a promise kept":       {[]Feature{Root, Unified, Systemd}, LaneV2, []Feature{Systemd}, runs, ""},
		"a promise broken":     {[]Feature{Root, Unified}, LaneV2, []Feature{Systemd}, fails, "lane v2 should give systemd (absent)"},
		"more than one lacked": {[]Feature{Root}, LaneEnforcing, []Feature{Unified, Enforcing}, fails, "lane enforcing should give unified (absent), enforcing (absent)"},
	} {
		t.Run(name, func(t *testing.T) {
			got, text := fateOf(tc.needs, tc.lane, func(f Feature) string {
				for _, have := range tc.world {
					if have == f {
						return ""
					}
				}
				return "absent"
			})
			if got != tc.fate || text != tc.text {
				t.Errorf("%v %q, want %v %q", got, text, tc.fate, tc.text)
			}
		})
	}
}

// TestFeatures looks at each feature of this world: those that exclude each other are never there at once.
func TestFeatures(t *testing.T) {
	for _, f := range Features() {
		if why := missing(f); strings.Contains(why, "no such feature") {
			t.Errorf("%s: %s", f, why)
		}
	}
	for _, pair := range [][2]Feature{{Root, User}, {V1, Unified}, {Unified, Bare}, {Permissive, Enforcing}} {
		if missing(pair[0]) == "" && missing(pair[1]) == "" {
			t.Errorf("both %s and %s", pair[0], pair[1])
		}
	}
	if missing("telepathy") == "" {
		t.Error("an unknown feature is there")
	}
}
