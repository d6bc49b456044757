package direct

import (
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
)

// execute installs the filter and becomes the program, whose name and account are in the words.
func (m *making) execute(file, about uint64) {
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
	m.about(about, func() call { return m.with(0, file).do(fail(launch.StageExec, ""), unix.SYS_EXECVE, 0, args, m.env) })
}

// about gives a call that may fail the account whose place is in a word.
func (m *making) about(word uint64, add func() call) {
	at := len(m.ops)
	m.copy64(word, 0)
	m.ops[at].args[1] = add().accountWord()
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

// lookup finds the program as execvp does and stores the address of its name, and that of the account for a
// failure to execute it.
func (m *making) lookup(file, about uint64) {
	name := m.Args[0]
	inPath := !strings.Contains(name, "/") && name != ""
	refused, refusedAbout := m.room(8), m.room(8)
	m.copy64(m.words(0), refused)
	var found label
	for _, candidate := range candidates(name, m.Env) {
		m.candidate(candidate, inPath, &found, [2]uint64{file, about}, [2]uint64{refused, refusedAbout})
	}
	if inPath {
		m.nothing(name, refused, refusedAbout)
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
// next one is looked at. The words in usable and refused take a name, or an errno, and an account.
func (m *making) candidate(name string, search bool, found *label, usable, refused [2]uint64) {
	st := m.room(uint64(unsafe.Sizeof(unix.Stat_t{})))
	at := m.text(name)
	why := account{Stage: launch.StageExec, Path: name, Details: executableDetails(name)}
	interpreter := account{Stage: launch.StageExec, Path: name, Details: map[syscall.Errno]string{
		syscall.ENOENT: "no such file or directory (its interpreter may be missing)",
	}}
	var bad, directory, next, file, note label
	errno := uint64(listBase + atErrno)
	stat := m.do(why, unix.SYS_NEWFSTATAT, negative(unix.AT_FDCWD), at, st, 0)
	m.unless(st+uint64(unsafe.Offsetof(unix.Stat_t{}.Mode)), unix.S_IFMT, unix.S_IFDIR, &file)
	m.jump(&directory)
	m.place(&file)
	access := m.do(why, unix.SYS_FACCESSAT2, negative(unix.AT_FDCWD), at, unix.X_OK, unix.AT_EACCESS)
	m.copy64(m.words(at), usable[0])
	m.copy64(m.words(m.keep(interpreter)), usable[1])
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
	m.unless(refused[0], ^uint64(0), 0, &next)
	m.copy64(errno, refused[0])
	m.copy64(m.words(m.keep(why)), refused[1])
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
func (m *making) nothing(name string, refused, refusedAbout uint64) {
	var none, some label
	m.unless(refused, ^uint64(0), 0, &some)
	m.jump(&none)
	m.place(&some)
	m.about(refusedAbout, func() call { return m.failWith(fail(launch.StageExec, name), refused) })
	m.place(&none)
	m.failWith(account{Stage: launch.StageExec, Path: name, Detail: "executable file not found in $PATH"}, m.words(uint64(syscall.ENOENT)))
}
