package version

import (
	"runtime/debug"
	"testing"
)

func TestFill(t *testing.T) {
	build := &debug.BuildInfo{GoVersion: "go1.26.0", Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"},
	}}
	for name, tc := range map[string]struct{ in, want Info }{
		"toolchain's": {Info{Version: "1"}, Info{"1", "abc-dirty", "2026-01-02T03:04:05Z", "go1.26.0"}},
		"linker's":    {Info{"1", "def", "2025-01-01T00:00:00Z", ""}, Info{"1", "def", "2025-01-01T00:00:00Z", "go1.26.0"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := tc.in
			got.fill(build)
			if got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}
