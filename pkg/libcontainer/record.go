package libcontainer

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/atomicfile"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/intelrdt"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/specjson"
)

// The files of a container's state directory.
const (
	// recordFile is what changes: a record.
	recordFile = "state.json"
	// configFile is the configuration as it was at create; it never changes.
	configFile = "config.json"
	// startSocket is there as long as the init waits for Start.
	startSocket = "start"
	// notifyDir is bound into containers that tell their readiness (sd_notify).
	notifyDir = "notify"
)

// maxFile bounds what is read from a state directory or a bundle, in bytes.
const maxFile = 32 << 20

// recordVersion changes when an older program would misread a record.
const recordVersion = 1

// record is state.json. It is first written before anything outside the directory is made: it
// names all that there may come to be, so a creation that was killed can be undone from it.
//
// It is written to another file that takes its place, but not synced: what it describes ends with the
// boot, and a torn record is treated as a broken-off creation.
type record struct {
	Version int    `json:"version"`
	ID      string `json:"id"`
	// BootID tells a record of an earlier boot, in which nothing can be alive.
	BootID string `json:"boot_id"`
	// Complete is false until the init is ready.
	Complete bool `json:"complete"`
	identity
	OCIVersion  string            `json:"oci_version"`
	Bundle      string            `json:"bundle"`
	Rootfs      string            `json:"rootfs"`
	Created     time.Time         `json:"created"`
	Annotations map[string]string `json:"annotations,omitempty"`
	// Cgroup is where the container's cgroup is, or may be; "" for none.
	Cgroup string `json:"cgroup,omitempty"`
	// Systemd and UserBus say whose scope the cgroup is.
	Systemd bool `json:"systemd,omitempty"`
	UserBus bool `json:"user_bus,omitempty"`
	// Rootless says that the cgroup was made without the right to all of it.
	Rootless bool `json:"rootless,omitempty"`
	// Keyring is the session keyring of its processes; "" is the caller's.
	Keyring string `json:"keyring,omitempty"`
	// Notify says that notifyDir is bound into the container.
	Notify bool `json:"notify,omitempty"`
	// Listener says who gets the listener of a seccomp filter; nil for none.
	Listener rare[launch.Notify] `json:"seccomp_listener,omitzero"`
	// Class is the class of service of resctrl, nil for none.
	Class rare[intelrdt.Group] `json:"class,omitzero"`
	// Hooks are those that this program runs itself; nil for none.
	Hooks rare[laterHooks] `json:"hooks,omitzero"`
	// OwnPIDs says that the init is the first process of its pid namespace, whose end is all others'.
	OwnPIDs bool `json:"own_pids,omitempty"`
}

// writeRecord replaces state.json.
func (d *stateDir) writeRecord(r *record) error {
	draft, err := d.draftRecord(r)
	if err != nil {
		return err
	}
	return draft.Commit()
}

// draftRecord writes what is to replace state.json, so that little is left to do when it may.
func (d *stateDir) draftRecord(r *record) (*atomicfile.Pending, error) {
	b, err := r.encode()
	if err != nil {
		return nil, err
	}
	d.wrote, d.written = *r, b
	return atomicfile.Prepare(filepath.Join(d.path, recordFile), b, 0o600, atomicfile.Passing)
}

// encode is json.Marshal, which works out the whole type before it writes the first byte, and all types in it; and that
// takes longer than all the rest. So the fields are named here once more.
func (r *record) encode() ([]byte, error) {
	out := append(make([]byte, 0, 1<<10), '{')
	for _, f := range []struct {
		name  string
		value any
		keep  bool
	}{
		{"version", r.Version, true},
		{"id", r.ID, true},
		{"boot_id", r.BootID, true},
		{"complete", r.Complete, true},
		{"pid", r.PID, true},
		{"start_time", r.StartTime, true},
		{"oci_version", r.OCIVersion, true},
		{"bundle", r.Bundle, true},
		{"rootfs", r.Rootfs, true},
		{"created", r.Created, true},
		{"annotations", r.Annotations, len(r.Annotations) > 0},
		{"cgroup", r.Cgroup, r.Cgroup != ""},
		{"systemd", r.Systemd, r.Systemd},
		{"user_bus", r.UserBus, r.UserBus},
		{"rootless", r.Rootless, r.Rootless},
		{"keyring", r.Keyring, r.Keyring != ""},
		{"notify", r.Notify, r.Notify},
		{"seccomp_listener", r.Listener, !r.Listener.IsZero()},
		{"class", r.Class, !r.Class.IsZero()},
		{"hooks", r.Hooks, !r.Hooks.IsZero()},
		{"own_pids", r.OwnPIDs, r.OwnPIDs},
	} {
		if !f.keep {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		var err error
		if out, err = appendJSON(append(append(append(out, '"'), f.name...), '"', ':'), f.value); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}

// appendJSON appends what json.Marshal makes of a value, without its machinery for those of most fields.
func appendJSON(out []byte, value any) ([]byte, error) {
	var text []byte
	var err error
	switch v := value.(type) {
	case string:
		return specjson.AppendString(out, v), nil
	case bool:
		return strconv.AppendBool(out, v), nil
	case int:
		return strconv.AppendInt(out, int64(v), 10), nil
	case uint64:
		return strconv.AppendUint(out, v, 10), nil
	case json.Marshaler: // a time, or what is rare
		text, err = v.MarshalJSON()
	default:
		text, err = json.Marshal(v)
	}
	return append(out, text...), err
}

// rare is a pointer that encoding/json looks behind only where there is something: it works out the types of plain
// pointers before it writes the first byte.
type rare[T any] struct{ to *T }

// IsZero makes "omitzero" leave it out.
func (r rare[T]) IsZero() bool { return r.to == nil }

func (r rare[T]) MarshalJSON() ([]byte, error) { return json.Marshal(r.to) }

func (r *rare[T]) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &r.to) }

// readRecord reads state.json. ErrCorrupt if it is missing or makes no sense.
func (d *stateDir) readRecord() (*record, error) {
	b, err := d.read(recordFile)
	if err != nil {
		return nil, d.corrupt(err)
	}
	if d.written != nil && bytes.Equal(b, d.written) {
		r := d.wrote // nobody has changed it since
		return &r, nil
	}
	r, err := decodeRecord(b, filepath.Base(d.path))
	if err != nil {
		return nil, d.corrupt(err)
	}
	return r, nil
}

func (d *stateDir) corrupt(cause error) error {
	if errors.Is(cause, os.ErrNotExist) {
		cause = errors.New("was left behind by a creation that was broken off")
	}
	return &errdefs.Error{
		Kind: "container", Name: filepath.Base(d.path), Class: errdefs.ErrCorrupt, Cause: cause, Hint: "remove it with delete --force",
	}
}

// decodeRecord checks what the rest of the package relies on. Unknown fields are ignored.
func decodeRecord(b []byte, id string) (*record, error) {
	r := &record{}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, errors.New("state.json: " + err.Error())
	}
	switch {
	case r.Version != recordVersion:
		return nil, errors.New("state.json is of another version of this program")
	case r.ID != id:
		return nil, errors.New("state.json is another container's")
	case r.PID < 0 || r.Complete && r.PID == 0:
		return nil, errors.New("state.json has no process id")
	case r.Cgroup != "" && !filepath.IsAbs(r.Cgroup) || hasParent(r.Cgroup):
		return nil, errors.New("state.json has no valid cgroup path")
	}
	return r, nil
}

func hasParent(p string) bool {
	for _, part := range strings.Split(p, "/") {
		if part == ".." {
			return true
		}
	}
	return false
}

// read reads one of the directory's files.
func (d *stateDir) read(name string) ([]byte, error) {
	fd, err := unix.Openat(int(d.Fd()), name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: filepath.Join(d.path, name), Err: err}
	}
	f := os.NewFile(uintptr(fd), filepath.Join(d.path, name))
	defer func() { _ = f.Close() }()
	return readBounded(f)
}

func readBounded(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = unix.EFBIG
	}
	return b, err
}

// writeConfig keeps the configuration as it is at create.
func (d *stateDir) writeConfig(spec *specs.Spec) error {
	b, err := specjson.Marshal(spec)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(d.path, configFile), b, 0o600, atomicfile.Volatile)
}

func (d *stateDir) readConfig() (*specs.Spec, error) {
	b, err := d.read(configFile)
	if err != nil {
		return nil, d.corrupt(err)
	}
	spec := &specs.Spec{}
	if err := specjson.Unmarshal(b, spec); err != nil {
		return nil, d.corrupt(err)
	}
	return spec, nil
}

// bootID is the kernel's name of this boot, "" where there is no procfs.
var bootID = sync.OnceValue(func() string {
	var b [64]byte
	fd, err := unix.Open("/proc/sys/kernel/random/boot_id", unix.O_RDONLY|unix.O_CLOEXEC, 0) // can be polled: see cgroups
	if err != nil {
		return ""
	}
	defer func() { _ = unix.Close(fd) }()
	n, _ := unix.Read(fd, b[:])
	return string(bytes.TrimSpace(b[:max(n, 0)]))
})
