package spec

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
)

// ParseVolume reads a value of --volume: [SOURCE:]DESTINATION[:OPTION[,OPTION…]].
//
// A source that begins with "/" or "." is a host path, returned as written (the caller
// makes it absolute); any other is a volume's name. Without a source the volume is
// anonymous and Source is "". A colon within a path is written "\:".
// Errors are of class invalid or unsupported.
func ParseVolume(word string) (Mount, error) {
	parts := splitColons(word)
	var m Mount
	var dst, opts string
	switch len(parts) {
	case 1:
		dst = parts[0]
	case 2:
		m.Source, dst = parts[0], parts[1]
	case 3:
		m.Source, dst, opts = parts[0], parts[1], parts[2]
	default:
		return Mount{}, badVolume(word, errors.New("too many colons"))
	}
	if len(parts) > 1 && m.Source == "" {
		return Mount{}, badVolume(word, errors.New("no source before ':'"))
	}
	var err error
	if m.Destination, err = checkDestination(dst); err != nil {
		return Mount{}, badVolume(word, err)
	}
	m.Kind = MountVolume
	switch {
	case isHostPath(m.Source):
		m.Kind = MountBind
		if hasControl(m.Source) {
			return Mount{}, badVolume(word, errors.New("control characters in the source"))
		}
	case m.Source != "" && !validName(m.Source):
		return Mount{}, errdefs.Invalid("--volume", word, "%q is neither a path nor a volume's name", m.Source).
			WithHint("a path begins with / or ./; a name has letters, digits, '_', '.' and '-' only")
	}
	if err := m.volumeOptions(opts); err != nil {
		var classed *errdefs.Error
		if errors.As(err, &classed) {
			return Mount{}, err
		}
		return Mount{}, badVolume(word, err)
	}
	return m, nil
}

func badVolume(word string, cause error) error {
	return errdefs.Invalid("--volume", word, "%w", cause).WithHint("write [SOURCE:]/DESTINATION[:OPTIONS]")
}

// volumeOptions applies the third part.
func (m *Mount) volumeOptions(opts string) error {
	var f mountFlags
	seen := map[string]bool{}
	for _, o := range splitNonEmpty(opts, ",") {
		if seen[o] {
			return fmt.Errorf("option %q is given twice", o)
		}
		seen[o] = true
		if known, err := f.put(o); err != nil {
			return err
		} else if known {
			continue
		}
		key, value, _ := strings.Cut(o, "=")
		switch {
		case o == "z" || o == "Z":
			if m.Relabel != "" {
				return errors.New("z and Z exclude each other")
			}
			m.Relabel = o
		case o == "U":
			m.Chown = true
		case o == "O":
			m.Overlay = true
		case o == "copy":
		case o == "nocopy":
			m.NoCopy = true
		case key == "upperdir" && value != "":
			m.OverlayUpper = value
		case key == "workdir" && value != "":
			m.OverlayWork = value
		case key == "subpath" && value != "":
			m.Subpath = value
		case key == "idmap":
			if err := m.idmap(value); err != nil {
				return err
			}
		default:
			return fmt.Errorf("unknown option %q", o)
		}
	}
	if seen["copy"] && seen["nocopy"] {
		return errors.New("copy and nocopy exclude each other")
	}
	if err := cmp.Or(m.checkOverlay(f), m.checkIDMap()); err != nil {
		return err
	}
	if m.Kind == MountBind && (seen["copy"] || seen["nocopy"]) {
		return errors.New("copy and nocopy are for volumes, not for host paths")
	}
	if err := m.checkSubpath(); err != nil {
		return err
	}
	m.Options = f.finish(m.Kind)
	return nil
}

func (m *Mount) checkOverlay(f mountFlags) error {
	switch {
	case (m.OverlayUpper != "" || m.OverlayWork != "") && !m.Overlay:
		return errors.New("upperdir and workdir need O")
	case (m.OverlayUpper == "") != (m.OverlayWork == ""):
		return errors.New("upperdir and workdir go together")
	case m.Overlay && m.Source == "":
		return errors.New("an overlay needs a source")
	case m.Overlay && f.mode == "ro":
		return errors.New("an overlay (O) is writable and cannot be ro")
	case m.Overlay && m.Relabel != "":
		return errors.New("an overlay (O) cannot be relabelled")
	}
	return nil
}

// checkSubpath refuses a path that is not plainly inside.
func (m *Mount) checkSubpath() error {
	if m.Subpath == "" {
		return nil
	}
	if m.Kind != MountVolume && m.Kind != MountImage {
		return errors.New("a subpath is for volumes and images")
	}
	if hasControl(m.Subpath) {
		return errors.New("control characters in the subpath")
	}
	for _, part := range strings.Split(m.Subpath, "/") {
		if part == ".." {
			return errors.New("the subpath leaves the volume")
		}
	}
	m.Subpath = strings.Trim(m.Subpath, "/")
	return nil
}

// splitColons splits at ":" but not at "\:".
func splitColons(s string) []string {
	var parts []string
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == ':':
			b.WriteByte(':')
			i++
		case s[i] == ':':
			parts = append(parts, b.String())
			b.Reset()
		default:
			b.WriteByte(s[i])
		}
	}
	return append(parts, b.String())
}
