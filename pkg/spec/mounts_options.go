package spec

import (
	"fmt"
	"path"
	"strings"
)

// mountFlags gathers a mount's options so that contradictions are found and the result
// has one order: bind, mode, propagation, then the rest.
type mountFlags struct {
	bind        string // rbind or bind
	mode        string // ro or rw
	propagation string
	dev         string
	exec        string
	suid        string
	extra       []string
}

// put takes one word. It reports whether the word is a mount flag at all, and fails on
// a second, different answer to the same question.
func (f *mountFlags) put(word string) (known bool, err error) {
	var slot *string
	switch word {
	case "bind", "rbind":
		slot = &f.bind
	case "ro", "rw":
		slot = &f.mode
	case "shared", "rshared", "slave", "rslave", "private", "rprivate", "unbindable", "runbindable":
		slot = &f.propagation
	case "dev", "nodev":
		slot = &f.dev
	case "exec", "noexec":
		slot = &f.exec
	case "suid", "nosuid":
		slot = &f.suid
	default:
		return false, nil
	}
	if *slot != "" && *slot != word {
		return true, fmt.Errorf("%s and %s exclude each other", *slot, word)
	}
	*slot = word
	return true, nil
}

// or sets what has not been said.
func (f *mountFlags) or(words ...string) {
	for _, w := range words {
		probe := *f
		if known, err := probe.put(w); known && err == nil {
			*f = probe
		}
	}
}

func (f *mountFlags) list() []string {
	var out []string
	for _, w := range []string{f.bind, f.mode, f.propagation, f.suid, f.dev, f.exec} {
		if w != "" {
			out = append(out, w)
		}
	}
	return append(out, f.extra...)
}

// finish fills in the defaults of a kind of mount.
func (f *mountFlags) finish(kind MountKind) []string {
	f.or("rw", "rprivate")
	switch kind {
	case MountBind:
		f.or("rbind")
	case MountVolume:
		f.or("rbind", "nosuid", "nodev")
	case MountTmpfs, MountRamfs, MountImage:
		f.bind = ""
		f.or("nosuid", "nodev")
	case MountDevpts:
		f.bind = ""
		f.or("nosuid", "noexec")
	}
	return f.list()
}

func volumeDefaults() []string {
	var f mountFlags
	return f.finish(MountVolume)
}

// checkDestination makes a destination clean; it must be absolute and not the root.
func checkDestination(dst string) (string, error) {
	switch {
	case dst == "":
		return "", fmt.Errorf("no destination")
	case !path.IsAbs(dst):
		return "", fmt.Errorf("the destination %q is not an absolute path", dst)
	case hasControl(dst):
		return "", fmt.Errorf("the destination has control characters")
	}
	dst = path.Clean(dst)
	if dst == "/" {
		return "", fmt.Errorf("the destination cannot be /")
	}
	return dst, nil
}

// isHostPath tells a path from a volume's name.
func isHostPath(src string) bool { return strings.HasPrefix(src, "/") || strings.HasPrefix(src, ".") }
