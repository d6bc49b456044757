package monitor

import (
	"errors"
	"os"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
)

// Setup is the packed part (pkg/pack) of what a monitor is told at its start: Config, and a
// launch.Request without its plan and descriptors. Those follow as bytes and SCM_RIGHTS, the
// descriptors in the order of Files.
type Setup struct {
	Config     Config  `json:"config"`
	CloneFlags uintptr `json:"clone_flags,omitempty"`
	JoinFlags  uintptr `json:"join_flags,omitempty"`
	Detached   bool    `json:"detached,omitempty"`
	KeepGroups bool    `json:"keep_groups,omitempty"`
	// Enter, UIDMap and GIDMap are the request's own.
	Enter  []launch.NamespaceRef `json:"enter,omitempty"`
	UIDMap []launch.IDMap        `json:"uid_map,omitempty"`
	GIDMap []launch.IDMap        `json:"gid_map,omitempty"`
	// Hooks, Notify, Affinity and TimeOffsets are the request's own.
	Hooks       *launch.Hooks  `json:"hooks,omitempty"`
	Notify      *launch.Notify `json:"notify,omitempty"`
	Affinity    []uint64       `json:"affinity,omitempty"`
	TimeOffsets string         `json:"time_offsets,omitempty"`
	// Image, Join and Cgroup say that one descriptor of that role follows, Stdio which of the three. ImageHome and
	// ImageUID are the image's own.
	Image     bool   `json:"image,omitempty"`
	ImageHome bool   `json:"image_home,omitempty"`
	ImageUID  uint32 `json:"image_uid,omitempty"`

	Join   bool    `json:"join,omitempty"`
	Cgroup bool    `json:"cgroup,omitempty"`
	Stdio  [3]bool `json:"stdio"`
	// Extra, Tasks and Open count the descriptors of ExtraFiles, CgroupTasks and OpenFiles.
	Extra int `json:"extra,omitempty"`
	Tasks int `json:"tasks,omitempty"`
	Open  int `json:"open,omitempty"`
	// External, if set, makes the process in place of the plan, which is then empty.
	External *External `json:"external,omitempty"`
}

// External is a program of runc's command line that makes the container's process. The monitor
// knows nothing of its options: it is told whole commands, and becomes the process's parent. Of the
// request only Stdio and ExtraFiles count; they are passed on to Create.
type External struct {
	// Runtime is its name, Program the first word of what the user wants to run, for messages.
	Runtime string `json:"runtime"`
	Program string `json:"program"`
	// Create (argv, absolute program first) makes the process, writes its pid to PIDFile and ends;
	// the process waits. A word ConsoleWord is replaced by the path of a socket for the terminal.
	Create []string `json:"create"`
	// Start lets the process become the user's program. Empty: it was that from the beginning.
	Start []string `json:"start,omitempty"`
	// Reports says that the container's init is our own and is given, after the request's ExtraFiles, one
	// more descriptor, of a pipe of the monitor's, to report on: see launch.ReaperReport.
	Reports bool `json:"reports,omitempty"`
	// Env is the environment of both commands.
	Env []string `json:"env,omitempty"`
	// PIDFile is absolute. Log is the file that both commands write their errors to, see pkg/ocilog.
	PIDFile string `json:"pid_file"`
	Log     string `json:"log,omitempty"`
}

// ConsoleWord stands for the console socket in External.Create: only the monitor knows its path.
const ConsoleWord = "{console-socket}"

// NewSetup describes a request and lists its descriptors: program, image, join target, cgroup, standard
// streams, then the three lists. The files stay the caller's.
func NewSetup(c Config, r launch.Request) (Setup, []*os.File) {
	s := Setup{
		Config: c, CloneFlags: r.CloneFlags, Detached: r.Detached, KeepGroups: r.KeepGroups,
		Enter: r.Enter, UIDMap: r.UIDMap, GIDMap: r.GIDMap, Hooks: r.Hooks,
		Notify: r.Notify, Affinity: r.Affinity, TimeOffsets: r.TimeOffsets,
		Join: r.Join != nil, Cgroup: r.Cgroup != nil,
		Extra: len(r.ExtraFiles), Tasks: len(r.CgroupTasks), Open: len(r.OpenFiles),
	}
	files := []*os.File{r.Program}
	if i := r.Image; i != nil {
		s.Image, s.ImageHome, s.ImageUID = true, i.Home, i.UID
		files = append(files, i.File)
	}
	if r.Join != nil {
		s.JoinFlags = r.Join.Flags
		files = append(files, r.Join.PIDFD)
	}
	if r.Cgroup != nil {
		files = append(files, r.Cgroup)
	}
	for i, f := range r.Stdio {
		if f != nil {
			s.Stdio[i] = true
			files = append(files, f)
		}
	}
	files = append(files, r.ExtraFiles...)
	files = append(files, r.CgroupTasks...)
	return s, append(files, r.OpenFiles...)
}

// Request puts the request together again. The files become the request's.
func (s *Setup) Request(plan []byte, files []*os.File) (launch.Request, error) {
	if s.Extra < 0 || s.Tasks < 0 || s.Open < 0 || len(files) != s.count() {
		return launch.Request{}, errors.New("setup and descriptors disagree")
	}
	next := func() *os.File {
		f := files[0]
		files = files[1:]
		return f
	}
	list := func(n int) []*os.File {
		l := files[:n:n]
		files = files[n:]
		return l
	}
	r := launch.Request{
		Plan: plan, CloneFlags: s.CloneFlags, Detached: s.Detached, KeepGroups: s.KeepGroups,
		Enter: s.Enter, UIDMap: s.UIDMap, GIDMap: s.GIDMap, Program: next(),
		Hooks: s.Hooks, Notify: s.Notify, Affinity: s.Affinity, TimeOffsets: s.TimeOffsets,
	}
	if s.Image {
		r.Image = &launch.Image{File: next(), Tasks: s.Tasks, Home: s.ImageHome, UID: s.ImageUID}
	}
	if s.Join {
		r.Join = &launch.JoinTarget{PIDFD: next(), Flags: s.JoinFlags}
	}
	if s.Cgroup {
		r.Cgroup = next()
	}
	for i, set := range s.Stdio {
		if set {
			r.Stdio[i] = next()
		}
	}
	r.ExtraFiles, r.CgroupTasks, r.OpenFiles = list(s.Extra), list(s.Tasks), list(s.Open)
	return r, nil
}

func (s *Setup) count() int {
	n := 1 + s.Extra + s.Tasks + s.Open
	for _, b := range []bool{s.Image, s.Join, s.Cgroup, s.Stdio[0], s.Stdio[1], s.Stdio[2]} {
		if b {
			n++
		}
	}
	return n
}
