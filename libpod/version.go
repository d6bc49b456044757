package libpod

import (
	"runtime"
	"runtime/debug"
	"time"
)

// version is the release, set by the linker in release builds.
var version = "0.1.0-dev"

// VersionInfo says which program this is. It is part of info and of version.
type VersionInfo struct {
	// APIVersion is the version of the commands and their output.
	APIVersion string
	Version    string
	GoVersion  string
	GitCommit  string
	// BuiltTime is Built in words; Built the time of the commit in Unix seconds, 0 if unknown.
	BuiltTime string
	Built     int64
	OsArch    string
	Os        string
}

// Version returns what the build recorded about itself. It reads no file.
func Version() VersionInfo {
	v := VersionInfo{
		APIVersion: version, Version: version, GoVersion: runtime.Version(),
		OsArch: runtime.GOOS + "/" + runtime.GOARCH, Os: runtime.GOOS,
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.GitCommit = s.Value
		case "vcs.time":
			if t, err := time.Parse(time.RFC3339, s.Value); err == nil {
				v.Built, v.BuiltTime = t.Unix(), t.UTC().Format(time.ANSIC)
			}
		}
	}
	return v
}
