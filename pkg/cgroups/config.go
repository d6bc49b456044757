package cgroups

import (
	"path"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Config says what to create, or to load.
type Config struct {
	// Path is the cgroup's path below every hierarchy's root, like "/manager/ID". With Systemd it is
	// used by LoadConfig only: there Create asks for a scope, and Cgroup.Path tells where it is.
	Path string
	// Resources are the limits of the OCI configuration, or nil.
	Resources *specs.LinuxResources
	// Rootless ignores that device rules cannot be set; a limit that cannot be set is an error still.
	Rootless bool
	// Reuse accepts a cgroup that has processes or is frozen; without it Create refuses with ErrInUse.
	Reuse bool
	// Owner, if not nil, is the host's id of the user to whom a version 2 cgroup is delegated: see Delegate.
	Owner *int

	// Systemd asks the service manager for a scope instead of making a directory.
	Systemd bool
	// UserBus asks the user's own service manager; false asks the system's.
	UserBus bool
	// Slice is the slice that the scope belongs to, like "machine.slice"; "" is system.slice, on the
	// user's bus user.slice.
	Slice string
	// Scope is the unit's name with its suffix, like "manager-ID.scope".
	Scope string
	// Description is the unit's text for people; "" is the unit's name.
	Description string
	// Annotations are those of the OCI configuration. Of them "org.systemd.property.NAME" sets a property
	// of the unit, its value in the text form of GVariant. A wrong one is ErrInvalid.
	Annotations map[string]string
}

// Place works out where a container's cgroup goes: spec is linux.cgroupsPath of the OCI configuration,
// id the container. For directories an absolute path is taken as it is, a relative one is below
// the root of the hierarchies, and "" is the id. For systemd it is "slice:prefix:name", each of
// which may be empty: the default slice, the prefix "manager", and the id as a name. Path, or Slice
// and Scope, of the result are set, and Systemd is. ErrInvalid for what is neither.
// Source: OCI runtime-spec, config-linux.md, "Cgroups Path".
func Place(spec, id string, systemd bool) (Config, error) {
	if strings.IndexByte(spec, 0) >= 0 {
		return Config{}, errdefs.Invalid(fieldPath, spec, "it has a NUL byte")
	}
	if !systemd {
		return placeDirectory(spec, id)
	}
	slice, prefix, name := "", "manager", id
	if spec != "" {
		f := strings.Split(spec, ":")
		if len(f) != 3 {
			return Config{}, errdefs.Invalid(fieldPath, spec, "with systemd it must be slice:prefix:name").
				WithHint("write it like machine.slice:manager:%s", id)
		}
		slice, prefix = f[0], f[1]
		if f[2] != "" {
			name = f[2]
		}
	}
	cfg := Config{Systemd: true, Slice: slice, Scope: name}
	if !strings.HasSuffix(name, ".scope") {
		cfg.Scope += ".scope"
		if prefix != "" {
			cfg.Scope = prefix + "-" + cfg.Scope
		}
	}
	if slice != "" && !strings.HasSuffix(slice, ".slice") {
		return Config{}, errdefs.Invalid(fieldPath, spec, "%q is not the name of a slice", slice)
	}
	for _, unit := range []string{slice, cfg.Scope} {
		if strings.ContainsAny(unit, "/ \t\n") {
			return Config{}, errdefs.Invalid(fieldPath, spec, "%q is not the name of a unit", unit)
		}
	}
	return cfg, nil
}

const fieldPath = "linux.cgroupsPath"

func placeDirectory(spec, id string) (Config, error) {
	if spec == "" {
		spec = id
	}
	for _, part := range strings.Split(spec, "/") {
		if part == ".." {
			return Config{}, errdefs.Invalid(fieldPath, spec, "it must not go up with ..")
		}
	}
	clean := path.Clean("/" + spec)
	if clean == "/" {
		return Config{}, errdefs.Invalid(fieldPath, spec, "it is the root of the hierarchy")
	}
	return Config{Path: clean}, nil
}
