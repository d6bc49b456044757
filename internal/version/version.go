// Package version says which build this is.
//
// The build sets the variables with the linker's -X. A build that does not, such as
// "go install", falls back to what the Go toolchain recorded in the program, read only
// when somebody asks: nothing here costs time at start.
package version

import "runtime/debug"

// Version is the release, as in "1.2.3" or "0.1.0-dev". Set by the linker.
var Version = "0.1.0-dev"

// GitCommit is the full commit hash of the source, or "" if the linker did not set it; use
// Get, which fills it in.
var GitCommit string

// BuildTime is the commit's time as RFC 3339 in UTC (not the wall clock, so that equal
// sources build equal programs), or "" if the linker did not set it; use Get.
var BuildTime string

// Info is what is known about the build. Empty fields are unknown.
type Info struct {
	// Version is the release.
	Version string
	// GitCommit is the full commit hash, with "-dirty" behind it for changed sources.
	GitCommit string
	// BuildTime is the commit's time as RFC 3339.
	BuildTime string
	// GoVersion is the toolchain, as in "go1.26.0".
	GoVersion string
}

// Get returns what is known: the linker's values, then the toolchain's.
// It reads the program's build information, so call it only when it is to be shown.
func Get() Info {
	info := Info{Version: Version, GitCommit: GitCommit, BuildTime: BuildTime}
	if build, ok := debug.ReadBuildInfo(); ok {
		info.fill(build)
	}
	return info
}

// fill sets what is still empty from the toolchain's record.
func (i *Info) fill(build *debug.BuildInfo) {
	i.GoVersion = build.GoVersion
	settings := make(map[string]string, len(build.Settings))
	for _, s := range build.Settings {
		settings[s.Key] = s.Value
	}
	if i.GitCommit == "" && settings["vcs.revision"] != "" {
		i.GitCommit = settings["vcs.revision"]
		if settings["vcs.modified"] == "true" {
			i.GitCommit += "-dirty"
		}
	}
	if i.BuildTime == "" {
		i.BuildTime = settings["vcs.time"]
	}
}
