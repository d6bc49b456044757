// Package monitor is the contract between the clients and the small process that stays
// with a container: what it is told, what it answers, and the files it leaves.
//
// A monitor is started with one Config on its configuration descriptor. It holds a lock
// on the run directory for as long as it lives: that lock, with init's pid and start
// time, and not a stored flag, says what runs. It is the parent of the container's init,
// pumps its streams, writes its log, serves attach on a socket, and writes the exit
// record. It never needs the command line, and the command line never needs it to list.
//
// Files in RunDir: monitor.lock (flock held), attach.sock (0600), live.json (Live, once the
// init waits), stop.json (Stop), health.json (Health, with a healthcheck), update.json
// (Update, while one is under way), exit.json (ExitRecord, written to a temporary file and renamed).
//
// The order is fixed. live.json is there before Ready answers. At the end: the log is complete,
// exit.json is there, attach.sock is gone, the lock is free, and only then the clients are told.
// The process stays a little longer, without the lock, until its clients have read the end and the
// owner has left; then it calls CleanupCommand, unless the owner said that it cleaned up (Session.Done).
// With a restart to come it waits for that without the lock too (Restart.Lock says so), and calls
// CleanupCommand with --restart.
// A start that is aborted before the release leaves neither live.json nor exit.json.
package monitor

import (
	"time"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
)

// Config is what a monitor is told, once, at its start.
type Config struct {
	// ID is the container's full id; for an exec session, the session's.
	ID string `json:"id"`
	// RunDir is the absolute directory of the files above; it exists, mode 0700.
	RunDir string `json:"run_dir"`
	// Generation counts the starts of the container, from 1. It goes into Live and ExitRecord, so
	// that a late clean-up of an earlier start is recognised.
	Generation uint64 `json:"generation"`
	// Terminal says that the init has a pseudo-terminal.
	Terminal bool `json:"terminal,omitempty"`
	// Stdin keeps the init's standard input open for attached clients; without it it is /dev/null.
	Stdin bool `json:"stdin,omitempty"`
	// PipeLabel is the SELinux label of pipes for the container's processes, where they may not use the monitor's own. "" makes
	// ordinary pipes.
	PipeLabel string `json:"pipe_label,omitempty"`
	// StdinOnce closes standard input when the first attached client that had it leaves.
	StdinOnce bool `json:"stdin_once,omitempty"`
	// Log says where the output is kept.
	Log LogConfig `json:"log"`
	// Timeout ends the container that long after its start (SIGKILL). 0 means never.
	Timeout time.Duration `json:"timeout,omitempty"`
	// CleanupCommand is run (argv, absolute program first) after the exit when no client holds the
	// monitor's owner connection. Empty: nobody is called, the next command cleans up.
	CleanupCommand []string `json:"cleanup_command,omitempty"`
	// CleanupEnv is the environment of CleanupCommand.
	CleanupEnv []string `json:"cleanup_env,omitempty"`
	// MemoryEvents is the cgroup file that counts out-of-memory kills (memory.events on v2,
	// memory.oom_control on v1), or "". Read at the exit.
	MemoryEvents string `json:"memory_events,omitempty"`
	// Freezer is the cgroup file that pauses the container (cgroup.freeze on v2, freezer.state on v1), or "".
	Freezer string `json:"freezer,omitempty"`
	// PIDFile is where the init's pid is written (--pidfile), or "".
	PIDFile string `json:"pid_file,omitempty"`
	// OOMScoreAdj is the monitor's own oom_score_adj; tried, never fatal. Nil leaves it.
	OOMScoreAdj *int `json:"oom_score_adj,omitempty"`
	// Restart is the container's restart policy; nil restarts nothing.
	Restart *Restart `json:"restart,omitempty"`
	// Poststart hooks run when the program runs; if one fails the container is killed and its start
	// has failed. Poststop hooks are run by whoever cleans up.
	Poststart []plan.Hook `json:"poststart,omitempty"`
	// HookState is what they read, but for status and pid.
	HookState plan.State `json:"hook_state,omitzero"`
	// Events says where start and end are noted; nil means nowhere.
	Events *Events `json:"events,omitempty"`
	// ConsoleRows and ConsoleColumns are the terminal's first size, in cells. 0 means unset.
	ConsoleRows    uint16 `json:"console_rows,omitempty"`
	ConsoleColumns uint16 `json:"console_columns,omitempty"`
	// Stop is how the monitor stops the container when it gets SIGTERM or SIGINT; nil ignores those.
	Stop *StopConfig `json:"stop,omitempty"`
	// Health is the container's healthcheck; nil is none. It wants Stop.
	Health *HealthConfig `json:"health,omitempty"`
	// Notify says what the service manager is told; nil is nothing.
	Notify *NotifyConfig `json:"notify,omitempty"`
}

// Log drivers.
const (
	LogNone = "none"
	// LogK8sFile writes lines "time stream P|F text" as the CRI does.
	LogK8sFile = "k8s-file"
	// LogJSONFile writes Docker's {"log","stream","time"} objects.
	LogJSONFile = "json-file"
	// LogJournald sends each line to the system's journal.
	LogJournald = "journald"
)

// LogConfig says where the output is kept.
type LogConfig struct {
	// Driver is one of the Log constants.
	Driver string `json:"driver"`
	// Path is the absolute log file, or the journal's socket.
	Path string `json:"path,omitempty"`
	// MaxSize is the size in bytes at which the file is rotated; 0 means no limit.
	MaxSize int64 `json:"max_size,omitempty"`
	// MaxFile is how many files are kept: Path, and the older ones as Path.1 to Path.(MaxFile-1). 0 is 1:
	// what the file has when it is full is dropped.
	MaxFile int `json:"max_file,omitempty"`
	// Name is the container's, Tag the user's word for it; Labels are NAME=VALUE. They go with each
	// line, where the driver has a place for them.
	Name   string   `json:"name,omitempty"`
	Tag    string   `json:"tag,omitempty"`
	Labels []string `json:"labels,omitempty"`
	// Compress is the command (argv) that compresses Path.1 after a rotation, which it is called for; empty calls none.
	Compress []string `json:"compress,omitempty"`
	// Buffer is how many bytes of output wait for the log at most, the rest being lost; 0 makes the container wait.
	Buffer int64 `json:"buffer,omitempty"`
}

// Live is what runs: written when the init has been prepared, before the user's program starts.
type Live struct {
	Generation uint64 `json:"generation"`
	// PID is the init's process id in the monitor's pid namespace; StartTime its field 22 of
	// /proc/PID/stat (clock ticks since boot), so that a reused pid is recognised.
	PID       int    `json:"pid"`
	StartTime uint64 `json:"start_time"`
	// MonitorPID is the monitor's process id.
	MonitorPID int `json:"monitor_pid"`
	// Released is when the user's program was started; zero until then.
	Released time.Time `json:"released,omitzero"`
}

// Causes of death.
const (
	// CauseExit and CauseSignal say that the program ended by itself, or of a signal of which nothing
	// is known.
	CauseExit   = "exit"
	CauseSignal = "signal"
	// CauseOOM says that the kernel killed process 1 for lack of memory.
	CauseOOM     = "oom"
	CauseTimeout = "timeout"
	// CauseHealth says that the monitor ended it because the container was unhealthy.
	CauseHealth = "health"
	// CauseStop, CauseKill, CauseRestart and CauseRemove say which command ended it: see Stop. CauseStop is also the
	// monitor's own stop, for a signal that it got.
	CauseStop    = StopByStop
	CauseKill    = StopByKill
	CauseRestart = StopByRestart
	CauseRemove  = StopByRemove
	// CauseStartFailed says that the user's program never ran; Failure says why.
	CauseStartFailed = "start-failed"
	// CauseLost says that the monitor was gone and nobody saw the exit.
	CauseLost = "monitor-lost"
	// CauseReboot says that it ended with the machine.
	CauseReboot = "reboot"
)

// MemoryUse is what a container had and used of memory during one start, in bytes.
type MemoryUse struct {
	// Kills is how many processes the kernel killed for lack of memory.
	Kills uint64 `json:"kills"`
	// AtEnd says that one of them was at the end: of the init, if it ended by SIGKILL.
	AtEnd bool `json:"at_end,omitempty"`
	// Limit is the cgroup's, 0 for none: then a parent's, or the machine's, was too small.
	Limit uint64 `json:"limit,omitempty"`
	// Peak is the most that was used at a time; 0 where the kernel does not tell (version 2 before 5.19).
	Peak uint64 `json:"peak,omitempty"`
}

// LogLoss is what the log of one start did not take of the output: its disk was full, the journal stood still.
type LogLoss struct {
	Generation uint64 `json:"generation"`
	// Bytes counts the output that is in no log, with its newlines.
	Bytes uint64 `json:"bytes"`
	// Since is when the first of it was lost, Error why.
	Since time.Time `json:"since"`
	Error string    `json:"error"`
}

// ExitRecord is how a container ended.
type ExitRecord struct {
	Generation uint64 `json:"generation"`
	// Code is the program's exit code, or 128+n for signal n.
	Code int `json:"code"`
	// Signal is the signal number that killed the init, or 0.
	Signal int `json:"signal,omitempty"`
	// Cause is one of the Cause constants.
	Cause string `json:"cause"`
	// OOMKilled says that the kernel killed a process of the container for lack of memory: with
	// CauseOOM the init, else another.
	OOMKilled bool `json:"oom_killed,omitempty"`
	// Memory is what the cgroup tells, if anything was killed for lack of memory or the init by a
	// signal; nil if that is unknown.
	Memory *MemoryUse `json:"memory,omitempty"`
	// Stop is the note of the command that was to end this start, or nil. Cause says whether it did.
	Stop *Stop `json:"stop,omitempty"`
	// StartedAt and FinishedAt are wall-clock times; StartedAt is zero if the program never ran.
	StartedAt  time.Time `json:"started_at,omitzero"`
	FinishedAt time.Time `json:"finished_at"`
	// LogLoss is what the log did not take, nil if it has everything.
	LogLoss *LogLoss `json:"log_loss,omitempty"`
	// Failure is set with CauseStartFailed.
	Failure *launch.Failure `json:"failure,omitempty"`
	// Unseen says that no monitor saw the end: the record was made up by who missed it.
	Unseen bool `json:"-"`
	// Again says that the monitor ended it for its health to have it started anew, whatever the policy.
	Again bool `json:"again,omitempty"`
	// Restart is what follows by the container's policy, or nil.
	Restart *NextStart `json:"restart,omitempty"`
}
