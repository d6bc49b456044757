package direct

import (
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
)

// execute finds the program, installs the filter and becomes the program.
func (m *making) execute() {
	file := m.room(8)
	m.lookup(file)
	if m.NoNewPrivs {
		m.sys("no_new_privs", unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1)
	}
	for _, fd := range m.CloseFDs {
		m.sys("descriptor", unix.SYS_CLOSE, uint64(fd)).tolerate()
	}
	argv := make([]uint64, 0, len(m.Args)+1)
	for _, a := range m.Args {
		argv = append(argv, m.text(a))
	}
	args := m.words(append(argv, 0)...)
	m.tell("barrier", launch.MsgExec)
	m.resetSignals()
	m.filter()
	why := account{Failure: launch.Failure{Stage: launch.StageExec}, choice: true, details: map[syscall.Errno]string{
		syscall.ENOENT: "no such file or directory (its interpreter may be missing)",
	}}
	m.with(0, file).do(why, unix.SYS_EXECVE, 0, args, m.env)
}

// resetSignals gives every signal its default action: what the caller ignored would stay ignored.
func (m *making) resetSignals() {
	const setBytes = 8 // of a kernel signal set, everywhere but on mips
	action := m.words(0, 0, 0, 0, 0, 0, 0, 0)
	for sig := uint64(1); sig <= 64; sig++ {
		if sig != uint64(syscall.SIGKILL) && sig != uint64(syscall.SIGSTOP) {
			m.sys("signals", unix.SYS_RT_SIGACTION, sig, action, 0, setBytes).tolerate()
		}
	}
}

// filter installs the filter, last of all, so that a profile need not allow what is done here. What follows it
// are capset and execve. A refused capset changes nothing that execve would not set anew.
func (m *making) filter() {
	s := m.Seccomp
	if s == nil {
		return
	}
	n := len(s.Filter) / int(unsafe.Sizeof(unix.SockFilter{}))
	program := m.words(uint64(n), m.bytes(s.Filter)) // struct sock_fprog
	const setModeFilter = 1                          // SECCOMP_SET_MODE_FILTER
	install := m.sys("seccomp", unix.SYS_SECCOMP, setModeFilter, s.Flags, program)
	if s.Flags == 0 {
		var old, done label
		install.orElse(&old, syscall.ENOSYS)
		m.jump(&done)
		m.place(&old)
		m.sys("seccomp", unix.SYS_PRCTL, unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, program)
		m.place(&done)
	}
	if !m.NoNewPrivs && m.final.Permitted&sysAdmin == 0 {
		m.capset(m.final).tolerate()
	}
}

// lookup finds the program as execvp does and stores the address of its name.
func (m *making) lookup(file uint64) {
	name := m.Args[0]
	choice := uint64(listBase + atChoice)
	inPath := !strings.Contains(name, "/") && name != ""
	m.files = candidates(name, m.Env)
	refused, refusedChoice := m.room(8), m.room(8)
	var found label
	for i, candidate := range m.files {
		m.copy32(m.words(uint64(i)), choice)
		m.candidate(candidate, inPath, &found, file, refused, refusedChoice)
	}
	if inPath {
		m.nothing(name, refused, refusedChoice)
	}
	m.place(&found)
}

// candidates are the names that a program may have.
func candidates(name string, env []string) []string {
	if strings.Contains(name, "/") || name == "" {
		return []string{name}
	}
	var all []string
	for _, dir := range strings.Split(plan.PathOf(env), ":") {
		if dir == "" {
			dir = "."
		}
		all = append(all, dir+"/"+name)
	}
	return all
}

// candidate looks at one name. In a search, what may not be executed is remembered if it is the first, and the
// next one is looked at.
func (m *making) candidate(name string, search bool, found *label, file, refused, refusedChoice uint64) {
	st := m.room(uint64(unsafe.Sizeof(unix.Stat_t{})))
	at := m.text(name)
	why := account{Failure: launch.Failure{Stage: launch.StageExec}, choice: true, details: executableDetails(name)}
	var bad, directory, next, usable, note label
	errno := uint64(listBase + atErrno)
	stat := m.do(why, unix.SYS_NEWFSTATAT, negative(unix.AT_FDCWD), at, st, 0)
	m.unless(st+uint64(unsafe.Offsetof(unix.Stat_t{}.Mode)), unix.S_IFMT, unix.S_IFDIR, &usable)
	m.jump(&directory)
	m.place(&usable)
	access := m.do(why, unix.SYS_FACCESSAT2, negative(unix.AT_FDCWD), at, unix.X_OK, unix.AT_EACCESS)
	m.copy64(m.words(at), file)
	m.jump(found)
	m.place(&directory)
	isDirectory := m.words(uint64(syscall.EISDIR))
	if !search {
		m.failWith(why, isDirectory)
		return
	}
	stat.orElse(&bad)
	access.orElse(&bad)
	m.copy64(isDirectory, errno)
	m.jump(&note)
	m.place(&bad)
	m.unless(errno, ^uint64(0), uint64(syscall.EACCES), &next)
	m.place(&note)
	m.unless(refused, ^uint64(0), 0, &next)
	m.copy64(errno, refused)
	m.copy32(listBase+atChoice, refusedChoice)
	m.place(&next)
}

func executableDetails(name string) map[syscall.Errno]string {
	d := map[syscall.Errno]string{syscall.EISDIR: "is a directory"}
	if name == "" {
		d[syscall.ENOENT] = "empty program name"
	}
	return d
}

// nothing ends a search that found nothing, with the first name that was refused.
func (m *making) nothing(name string, refused, refusedChoice uint64) {
	var none, some label
	m.unless(refused, ^uint64(0), 0, &some)
	m.jump(&none)
	m.place(&some)
	m.copy32(refusedChoice, listBase+atChoice)
	m.failWith(account{Failure: launch.Failure{Stage: launch.StageExec}, choice: true, details: executableDetails(name)}, refused)
	m.place(&none)
	m.failWith(account{Failure: launch.Failure{Stage: launch.StageExec, Path: name, Detail: "executable file not found in $PATH"}},
		m.words(uint64(syscall.ENOENT)))
}
