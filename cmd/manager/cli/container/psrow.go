package container

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/manager-project/manager/cmd/manager/cli/render"
	"github.com/manager-project/manager/libpod"
	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/pkg/monitor"
	"github.com/manager-project/manager/pkg/spec"
)

// psRow is a row of ps for templates: each method is a field name of Podman's or Docker's.
type psRow struct {
	e    libpod.ListEntry
	full bool
	now  time.Time
}

// psHeadings are the titles that are not the field's own words.
var psHeadings = map[string]string{
	"ID": "CONTAINER ID", "CreatedHuman": "CREATED", "RunningFor": "CREATED", "CreatedAt": "CREATED AT",
	"StartedAt": "STARTED AT", "ExitedAt": "EXITED AT", "ImageID": "IMAGE ID", "CIDFile": "CID FILE",
	"Cgroup": "CGROUPNS", "Pod": "POD ID", "PodName": "PODNAME", "ExposedPorts": "EXPOSED PORTS", "AutoRemove": "AUTO REMOVE",
}

func (r psRow) ID() string                    { return render.ID(r.e.ID, r.full) }
func (r psRow) Image() string                 { return r.e.Image }
func (r psRow) ImageID() string               { return render.ID(r.e.ImageID, r.full) }
func (r psRow) Names() string                 { return strings.Join(r.e.Names, ",") }
func (r psRow) Created() string               { return r.CreatedAt() }
func (r psRow) CreatedHuman() string          { return r.RunningFor() }
func (r psRow) RunningFor() string            { return render.Age(r.e.Created, r.now) }
func (r psRow) CreatedAt() string             { return r.e.Created.String() }
func (r psRow) StartedAt() int64              { return unixOf(r.e.StartedAt) }
func (r psRow) ExitedAt() int64               { return unixOf(r.e.ExitedAt) }
func (r psRow) Exited() bool                  { return r.e.Exited }
func (r psRow) ExitCode() int                 { return r.e.ExitCode }
func (r psRow) State() string                 { return string(r.e.Status) }
func (r psRow) Pid() int                      { return r.e.PID }
func (r psRow) PID() int                      { return r.e.PID }
func (r psRow) Restarts() uint                { return r.e.Restarts }
func (r psRow) AutoRemove() bool              { return r.e.AutoRemove }
func (r psRow) CIDFile() string               { return r.e.CIDFile }
func (r psRow) IsInfra() bool                 { return false }
func (r psRow) Pod() string                   { return "" }
func (r psRow) PodName() string               { return "" }
func (r psRow) Networks() string              { return strings.Join(r.e.Networks, ",") }
func (r psRow) CGROUPNS() string              { return r.e.Namespaces["Cgroup"] }
func (r psRow) Cgroup() string                { return r.e.Namespaces["Cgroup"] }
func (r psRow) IPC() string                   { return r.e.Namespaces["Ipc"] }
func (r psRow) MNT() string                   { return r.e.Namespaces["Mnt"] }
func (r psRow) NET() string                   { return r.e.Namespaces["Net"] }
func (r psRow) PIDNS() string                 { return r.e.Namespaces["Pidns"] }
func (r psRow) USERNS() string                { return r.e.Namespaces["User"] }
func (r psRow) UTS() string                   { return r.e.Namespaces["Uts"] }
func (r psRow) Namespaces() map[string]string { return r.e.Namespaces }

// Label returns one label's value, as {{.Label "name"}}.
func (r psRow) Label(name string) string { return r.e.Labels[name] }

// Labels are all labels as k=v, in order.
func (r psRow) Labels() string {
	pairs := make([]string, 0, len(r.e.Labels))
	for k, v := range r.e.Labels {
		pairs = append(pairs, k+"="+v)
	}
	slices.Sort(pairs)
	return strings.Join(pairs, ",")
}

// Command is the command line, cut unless it is wanted whole.
func (r psRow) Command() string {
	s := strings.Join(r.e.Command, " ")
	if r.full {
		return s
	}
	return render.Cut(s, 17+3)
}

// Mounts are the mounted paths.
func (r psRow) Mounts() string {
	s := strings.Join(r.e.Mounts, ",")
	if r.full {
		return s
	}
	return render.Cut(s, 20)
}

// Ports are the published ports, with runs written as one, and then those that are only exposed.
func (r psRow) Ports() string {
	published := map[string]bool{}
	var words []string
	for _, p := range joined(r.e.Ports) {
		words = append(words, p.String()+"->"+p.Inside())
		for _, q := range p.Each() {
			published[q.Inside()] = true
		}
	}
	for _, word := range r.exposed() {
		if !published[word] {
			words = append(words, word)
		}
	}
	return strings.Join(words, ", ")
}

// joined puts neighbouring ports together.
func joined(ports []spec.Port) []spec.Port {
	var out []spec.Port
	for _, p := range ports {
		if n := len(out) - 1; n >= 0 && out[n].HostIP == p.HostIP && out[n].Protocol == p.Protocol &&
			out[n].HostPort+out[n].Range == p.HostPort && out[n].ContainerPort+out[n].Range == p.ContainerPort {
			out[n].Range += p.Range
			continue
		}
		out = append(out, p)
	}
	return out
}

// exposed are the ports that image and --expose name.
func (r psRow) exposed() []string {
	ports := make([]uint16, 0, len(r.e.Exposed))
	for p := range r.e.Exposed {
		ports = append(ports, p)
	}
	slices.Sort(ports)
	var words []string
	for _, p := range ports {
		for _, protocol := range r.e.Exposed[p] {
			words = append(words, fmt.Sprintf("%d/%s", p, protocol))
		}
	}
	return words
}

// ExposedPorts are the exposed ports alone.
func (r psRow) ExposedPorts() string { return strings.Join(r.exposed(), ", ") }

// Size is the size on disk, "" unless --size asked for it.
func (r psRow) Size() string {
	if r.e.Size == nil {
		return ""
	}
	return fmt.Sprintf("%s (virtual %s)", render.Size(r.e.Size.RW), render.Size(r.e.Size.RootFs+r.e.Size.RW))
}

// Status says in words where the container stands.
func (r psRow) Status() string {
	var s string
	switch r.e.Status {
	case define.StatusRunning:
		s = "Up " + render.Span(r.now.Sub(r.e.StartedAt))
		if r.e.Health != "" {
			s += " (" + r.e.Health + ")"
		}
		if r.e.Unmonitored {
			s += " (unmonitored)"
		}
	case define.StatusExited:
		s = fmt.Sprintf("Exited (%d) %s%s", r.e.ExitCode, r.cause(), render.Age(r.e.ExitedAt, r.now))
	case define.StatusRestarting:
		s = fmt.Sprintf("Restarting (%d) %s%s", r.e.ExitCode, r.cause(), render.Age(r.e.ExitedAt, r.now))
	case define.StatusPaused:
		s = "Paused"
	case define.StatusStopping:
		s = "Stopping"
	case define.StatusRemoving:
		s = "Removing"
	case define.StatusCreated:
		s = "Created"
	default:
		s = strings.ToUpper(string(r.e.Status[:min(1, len(r.e.Status))])) + string(r.e.Status[min(1, len(r.e.Status)):])
	}
	return strings.TrimSpace(s)
}

// cause is why it ended, with a blank behind it, where the exit code alone would hide that.
func (r psRow) cause() string {
	e := &r.e
	switch e.Cause {
	case monitor.CauseOOM:
		return "out of memory "
	case monitor.CauseTimeout:
		return "out of time "
	case monitor.CauseHealth:
		return "unhealthy "
	case monitor.CauseLost:
		return "monitor lost "
	case monitor.CauseReboot:
		return "reboot "
	case monitor.CauseStartFailed:
		return "start failed "
	case monitor.CauseExit:
		if e.OOMKilled && e.ExitCode != 0 {
			return "after a process ran out of memory "
		}
	}
	return ""
}

// psJSON is a row of ps --format json.
type psJSON struct {
	AutoRemove   bool
	Command      []string
	CreatedAt    string
	CIDFile      string
	Exited       bool
	ExitedAt     int64
	ExitCode     int
	ExposedPorts map[uint16][]string
	ID           string `json:"Id"`
	Image        string
	ImageID      string
	IsInfra      bool
	Labels       map[string]string
	Mounts       []string
	Names        []string
	Namespaces   map[string]string
	Networks     []string
	Pid          int
	Pod          string
	PodName      string
	Ports        []spec.Port
	Restarts     uint
	Size         *libpod.ContainerSize
	StartedAt    int64
	State        string
	Status       string
	Created      int64
}

func (r psRow) json() psJSON {
	e := r.e
	return psJSON{
		AutoRemove: e.AutoRemove, Command: e.Command, CreatedAt: r.RunningFor(), CIDFile: e.CIDFile,
		Exited: e.Exited, ExitedAt: unixOf(e.ExitedAt), ExitCode: e.ExitCode, ExposedPorts: e.Exposed,
		ID: e.ID, Image: e.Image, ImageID: e.ImageID, Labels: e.Labels, Mounts: orEmpty(e.Mounts),
		Names: orEmpty(e.Names), Namespaces: orEmptyMap(e.Namespaces), Networks: orEmpty(e.Networks), Pid: e.PID,
		Ports: e.Ports, Restarts: e.Restarts, Size: e.Size, StartedAt: unixOf(e.StartedAt), State: string(e.Status),
		Status: r.Status(), Created: unixOf(e.Created),
	}
}

// unixOf is a time in seconds; a time that never was is what Podman prints for it.
func unixOf(t time.Time) int64 { return t.Unix() }

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func orEmptyMap(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
