package libcontainer

import (
	"os"
	"slices"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Config says what to create.
type Config struct {
	// Bundle is the absolute directory that relative paths of Spec start from.
	Bundle string
	// Spec is the OCI configuration. It is kept as it is.
	Spec *specs.Spec
	// Attachment is what the program is connected to.
	Attachment
	// NoPivot moves the root in place of pivoting, for an initramfs.
	NoPivot bool
	// NoNewKeyring leaves the caller's session keyring; otherwise it becomes "_ses.ID".
	NoNewKeyring bool
	// CgroupManager makes the cgroup.
	CgroupManager CgroupManager
	// Rootless ignores that a cgroup cannot be made as long as no limit asks for one.
	Rootless bool
	// Notify binds a directory of the state directory into the container and names a socket in it
	// in NOTIFY_SOCKET; see Container.NotifyPath.
	Notify bool
	// Park leaves the init waiting after Create, for any process's Start. Otherwise the init is this
	// process's own child: Start must follow here, and the init ends with this process before that.
	Park bool
}

// Attachment is what a process is connected to. The caller keeps ownership of files.
type Attachment struct {
	// Stdio are descriptors 0 to 2; nil is /dev/null. Ignored with a terminal.
	Stdio [3]*os.File
	// ExtraFiles become descriptors 3, 4, …: first those of socket activation, then preserved ones.
	ExtraFiles []*os.File
	// ListenFDs is how many of ExtraFiles, from the first, are told in LISTEN_FDS.
	ListenFDs int
	// ConsoleSocket is the path of a stream socket that gets the pseudo-terminal's master; "" leaves it to
	// the caller (Process.Console). Needs process.terminal.
	ConsoleSocket string
	// PIDFDSocket is the path of a stream socket that gets the process's pidfd; "" for none.
	PIDFDSocket string
	// PIDFile gets the process's id in the caller's pid namespace; "" for none. It is replaced as a whole.
	PIDFile string
}

// listenEnv completes an environment with what socket activation tells.
// Source: sd_listen_fds(3).
func (a *Attachment) listenEnv(env []string) []string {
	if a.ListenFDs == 0 {
		return env
	}
	return append(slices.Clip(env), "LISTEN_FDS="+strconv.Itoa(a.ListenFDs), "LISTEN_PID=1")
}

// notifyTarget is where the directory of the notify socket lies in the container.
const notifyTarget = "/run/notify"

// notifySocket is the socket's name in it.
const notifySocket = "notify.sock"

// effective is the configuration that is compiled: the caller's, with what Config adds.
func (cfg *Config) effective(notify string) *specs.Spec {
	spec := *cfg.Spec
	if spec.Process == nil || cfg.ListenFDs == 0 && !cfg.Notify {
		return &spec
	}
	process := *spec.Process
	process.Env = cfg.listenEnv(process.Env)
	if cfg.Notify {
		process.Env = append(slices.Clip(process.Env), "NOTIFY_SOCKET="+notifyTarget+"/"+notifySocket)
		spec.Mounts = append(slices.Clip(spec.Mounts), specs.Mount{
			Destination: notifyTarget, Source: notify, Options: []string{"bind", "nosuid", "noexec", "nodev", "ro"},
		})
	}
	spec.Process = &process
	return &spec
}
