package libpod

import (
	"runtime"
	"time"

	"github.com/manager-project/manager/internal/version"
)

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
	info := version.Get()
	v := VersionInfo{
		APIVersion: info.Version, Version: info.Version, GoVersion: info.GoVersion, GitCommit: info.GitCommit,
		OsArch: runtime.GOOS + "/" + runtime.GOARCH, Os: runtime.GOOS,
	}
	if t, err := time.Parse(time.RFC3339, info.BuildTime); err == nil {
		v.Built, v.BuiltTime = t.Unix(), t.UTC().Format(time.ANSIC)
	}
	return v
}
