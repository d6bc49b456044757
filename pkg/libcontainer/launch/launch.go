// Package launch starts a container's process from a compiled plan and talks with it
// until it has become the user's program.
//
// The caller decides everything beforehand; this package only clones, hands over and
// listens. The monitor uses it for a container's init, the command line for exec, so it
// imports nothing beyond golang.org/x/sys and a few small packages of ours.
//
//	parent (monitor or CLI)                     child (manager-monitor as init or joiner)
//	Start: clone into cgroup and namespaces  →  reads plan, executes it
//	                                         ←  console (SCM_RIGHTS), if the plan has a terminal
//	runs the runtime's hooks                 ←  hooks, if the plan has any for the parent
//	Ready                                    ←  ready, or a Failure
//	Exec                                     →  go
//	                                         ←  end of file (exec succeeded), or a Failure
//
// Where the one that makes a container is not the one that starts it, the place of the connection
// is taken by a listening SOCK_SEQPACKET socket in the file system:
//
//	maker                                       child                       starter
//	Park, with the listening socket          →  looks for the program
//	                                         ←  parked, or a Failure
//	(may end)                                   accepts one connection   ←  connects
//	                                            closes the listener
//	                                            the same as above        ↔  Adopt, Exec
//
// So of two starters one wins, and the other, like one that comes after the child's end, is
// refused the connection or sees its end at once. A starter that goes away before it said "go"
// ends the child, as a parent does.
package launch

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

// Request says what to start.
type Request struct {
	// Program is the manager-monitor program, opened for reading or O_PATH. The child runs from a
	// read-only, detached view of it, so that no container can write to the host's file.
	// The caller keeps ownership.
	Program *os.File
	// Plan is an encoded plan: see pkg/libcontainer/plan. Never parsed here. With an image it may be nil: the caller is
	// then who repeats what the image could not do.
	Plan []byte
	// Image, if set, is executed in the place of Program and Plan: see package direct. One that cannot build a new
	// container leaves that to the program, which has the words for it.
	Image *Image
	// CloneFlags are the namespaces (CLONE_NEW*) to make at clone; for a join, 0.
	CloneFlags uintptr
	// Join, if set, makes the child enter a running container instead.
	Join *JoinTarget
	// Stdio are descriptors 0 to 2 of the child. Nil entries become /dev/null. With a terminal
	// in the plan they are ignored. The caller keeps ownership and closes its copies.
	Stdio [3]*os.File
	// ExtraFiles become descriptors 3, 4, … of the user's program (--preserve-fds).
	ExtraFiles []*os.File
	// Cgroup is the unified hierarchy's directory to clone into, or nil.
	Cgroup *os.File
	// CgroupTasks are "tasks" files of version 1 hierarchies, opened for writing.
	CgroupTasks []*os.File
	// OpenFiles are descriptors that the plan refers to by index (bind sources, idmapped mounts)
	// and that Enter refers to. Closed in the child before it execs the user's program.
	OpenFiles []*os.File
	// Enter are existing namespaces that the child joins, in this order, before it makes those of
	// CloneFlags (namespaces with a path in the OCI configuration).
	Enter []NamespaceRef
	// UIDMap and GIDMap are written by the parent when CloneFlags has CLONE_NEWUSER.
	UIDMap []IDMap
	GIDMap []IDMap
	// Hooks are those of the runtime's namespace; nil for none. The plan says that the child asks for them.
	Hooks *Hooks
	// Notify says who gets the seccomp listener; nil if the plan's filter has none.
	Notify *Notify
	// Affinity are the processors that the child is confined to while it enters its cgroup, a bit each; nil for
	// the caller's.
	Affinity []uint64
	// TimeOffsets is written to the timens_offsets of a new time namespace (CloneFlags has CLONE_NEWTIME).
	TimeOffsets string
	// KeepGroups keeps the caller's supplementary groups also where the child becomes another user namespace's root.
	// The plan says what its program gets.
	KeepGroups bool
	// Detached puts the child in a session of its own (setsid) also without a terminal.
	Detached bool
}

// NamespaceRef names an opened namespace.
type NamespaceRef struct {
	// Index is its place in Request.OpenFiles.
	Index int `json:"index"`
	// Flag is its kind (CLONE_NEW*).
	Flag uintptr `json:"flag"`
}

// IDMap is one range of a user namespace: Size ids from Inside are those from Outside.
type IDMap struct {
	Inside  uint32 `json:"inside"`
	Outside uint32 `json:"outside"`
	Size    uint32 `json:"size"`
}

// JoinTarget names a running container's process whose namespaces are joined.
type JoinTarget struct {
	// PIDFD is the container's init. The caller keeps ownership.
	PIDFD *os.File
	// Flags are the namespaces (CLONE_NEW*) that differ from the caller's.
	Flags uintptr
}

// Image is a program that carries out one plan and has it inside: see package direct. Its descriptors are 0 to 2
// stdio, the extra files, the socket to the parent, for a join the pidfd of its target, and the tasks files of the
// request, in which it enters version 1 cgroups itself: no thread of the parent has to go there and die for it.
type Image struct {
	// File is the program. The caller keeps ownership.
	File *os.File
	// Tasks is how many tasks files it enters. A request with another number is not for it: ErrImage.
	Tasks int
	// Home says that the image asks for its user's home: HOME for UID from the container's passwd file, a stranger's.
	Home bool
	UID  uint32
}

// Failure is why a child could not become the user's program. It crosses the process
// boundary as data, so that 126 and 127 are facts and not guesses about a text.
type Failure struct {
	// Stage is the plan step that failed: "mount", "user", "cwd", "exec", …
	Stage string `json:"stage"`
	// Path is the file or name concerned, or "".
	Path string `json:"path,omitempty"`
	// Errno is the kernel's answer, or 0.
	Errno syscall.Errno `json:"errno,omitempty"`
	// Detail replaces the errno's text when there is more to say, or "".
	Detail string `json:"detail,omitempty"`
	// Silent says that the child ended without an account.
	Silent bool `json:"silent,omitempty"`
}

// StageExec is the stage of finding and executing the user's program; its failures are
// exit codes 126 (not executable) and 127 (not found).
const StageExec = "exec"

// Error is one line: stage, path, cause.
func (f *Failure) Error() string {
	cause := f.Detail
	if cause == "" && f.Errno != 0 {
		cause = f.Errno.Error()
	}
	if f.Path == "" {
		return fmt.Sprintf("%s: %s", f.Stage, cause)
	}
	return fmt.Sprintf("%s %s: %s", f.Stage, f.Path, cause)
}

// Unwrap lets errors.Is compare with the errno.
func (f *Failure) Unwrap() error {
	if f.Errno == 0 {
		return nil
	}
	return f.Errno
}

// ExitCode is 127 for a program that is not there, 126 for one that cannot be executed,
// and 125 for a failure before that.
func (f *Failure) ExitCode() int {
	switch {
	case f.Stage != StageExec:
		return 125
	case f.Errno == syscall.ENOENT || f.Errno == syscall.ENOTDIR:
		return 127
	default:
		return 126
	}
}

// ExitStatus is how a process ended.
type ExitStatus struct {
	// Code is the program's exit code, or 128+n when signal n killed it.
	Code int
	// Signal is the signal that killed it, or 0.
	Signal syscall.Signal
	// At is the wall clock when the parent learnt of it.
	At time.Time
}
