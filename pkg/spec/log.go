package spec

import (
	"path/filepath"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
)

// The log drivers, in the words of the monitor's protocol.
const (
	LogK8sFile  = "k8s-file"
	LogJSONFile = "json-file"
	LogNone     = "none"
)

// log settles the log's driver and options.
func (d *decider) log() error {
	l := &d.cfg.Log
	if err := d.logDriver(); err != nil {
		return err
	}
	l.Tag = d.def.LogTag
	if d.def.LogPath != "" {
		l.Path = filepath.Join(d.def.LogPath, d.cfg.ID, "ctr.log")
	}
	if d.def.LogSizeMax > 0 {
		l.MaxSize = d.def.LogSizeMax
	}
	for _, word := range d.req.Log.Opt {
		k, v, ok := strings.Cut(word, "=")
		if !ok || v == "" {
			return errdefs.Invalid("--log-opt", word, "not KEY=VALUE").WithHint("write path=FILE, max-size=10m or tag=TEXT")
		}
		switch k {
		case "path":
			l.Path = d.abs(v)
		case "max-size":
			n, err := ParseBytes("--log-opt max-size", v)
			if err != nil {
				return err
			}
			l.MaxSize = n
		case "tag":
			if hasControl(v) {
				return errdefs.Invalid("--log-opt", word, "control characters in the tag")
			}
			l.Tag = v
		case "max-file", "compress", "labels", "env":
			return errdefs.Unsupported("--log-opt", "%s cannot be honoured by this version", k).WithHint("use path, max-size or tag")
		default:
			return errdefs.Invalid("--log-opt", word, "unknown option").WithHint("use path, max-size or tag")
		}
	}
	return nil
}

func (d *decider) logDriver() error {
	driver := d.req.Log.Driver
	if driver == "" || (!d.req.Given("log-driver") && driver == LogK8sFile) {
		driver = d.def.LogDriver
		if driver == "journald" || driver == "passthrough" || driver == "passthrough-tty" {
			// Nobody asked for it here, so what exists is taken.
			driver = LogK8sFile
		}
	}
	switch driver {
	case "":
		driver = LogK8sFile
	case LogK8sFile, LogJSONFile, LogNone:
	case "journald", "passthrough", "passthrough-tty":
		return errdefs.Unsupported("--log-driver", "this version has no %s driver", driver).WithHint("write k8s-file, json-file or none")
	default:
		return errdefs.Invalid("--log-driver", driver, "unknown driver").WithHint("write k8s-file, json-file or none")
	}
	d.cfg.Log.Driver = driver
	return nil
}
