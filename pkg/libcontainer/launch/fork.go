package launch

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The steps of the raw child, in order; the index crosses the status pipe.
var forkStages = [...]string{"", "clone", "namespace", "user namespace", "cgroup namespace", "descriptor", "session", "init", "time namespace"}

const (
	stageNone = iota
	stageClone
	stageSetns
	stageUser
	stageCgroupNS
	stageFD
	stageSession
	stageExecve
	stageTime
)

// forkSpec is everything the raw child needs. Between fork and exec a copy of a threaded
// Go process may neither allocate nor lock, so it is complete before the fork.
type forkSpec struct {
	flags     uintptr // CLONE_ flags of the first child
	cgroupFD  int     // version 2 directory to be born in, or -1
	joins     []setnsCall
	timeNS    bool    // make a time namespace for the second child
	offsets   []byte  // and write this to its offsets
	offsetsAt []byte  // that file's path with a NUL
	second    bool    // clone again after the joins, as a child of the caller
	flags2    uintptr // CLONE_ flags of the second child
	gateEarly bool    // wait for a byte before anything else
	gateMaps  bool    // wait for a byte before becoming root of the user namespace
	beRoot    bool    // set all ids to those of the user namespace's root
	rootUID   uintptr // which are these
	rootGID   uintptr
	caps      unix.CapUserHeader // for keepCaps
	capSets   [2]unix.CapUserData
	groups    bool // but keep the supplementary groups
	cgroupNS  bool
	session   bool
	gate      int // read end of the gate pipe
	status    int // write end of the status pipe, close-on-exec
	program   int
	fds       []int // descriptors by their number in the child
	scratch   []int // as long as fds
	argv      []*byte
	envv      []*byte
	empty     *byte
}

type setnsCall struct {
	fd    int
	flags uintptr
	early bool // may fail: it is tried again after the others
}

// cloneArgs is struct clone_args of clone3(2), up to its cgroup field.
type cloneArgs struct {
	flags      uint64
	pidfd      uint64
	childTID   uint64
	parentTID  uint64
	exitSignal uint64
	stack      uint64
	stackSize  uint64
	tls        uint64
	setTID     uint64
	setTIDSize uint64
	cgroup     uint64
}

// fork clones the calling thread. In the child it never returns. legacy uses clone(2), for
// kernels or outer filters without clone3; the cgroup is then the caller's affair.
//
//go:noinline
//go:norace
//go:nocheckptr
func fork(s *forkSpec, args *cloneArgs, pidfd *int32, legacy bool) (pid int, errno syscall.Errno) {
	var r1 uintptr
	runtimeBeforeFork()
	if legacy {
		r1, _, errno = syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(args.flags)|uintptr(syscall.SIGCHLD), 0, uintptr(unsafe.Pointer(pidfd)), 0, 0, 0)
	} else {
		r1, _, errno = syscall.RawSyscall6(unix.SYS_CLONE3, uintptr(unsafe.Pointer(args)), unsafe.Sizeof(*args), 0, 0, 0, 0)
	}
	if errno != 0 || r1 != 0 {
		runtimeAfterFork()
		return int(r1), errno
	}
	runtimeAfterForkInChild()
	forkChild(s)
	return 0, 0
}

// forkChild runs in the child with one thread and a copy of the caller's memory. The runtime
// forbids stack growth after its BeforeFork, so this and all it calls is nosplit.
//
//go:noinline
//go:norace
//go:nocheckptr
//go:nosplit
func forkChild(s *forkSpec) {
	var errno syscall.Errno
	if s.gateEarly {
		waitGate(s)
	}
	if len(s.joins) > 0 {
		// The caller's memory must not be readable for those who share the namespaces joined below.
		syscall.RawSyscall(syscall.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0, 0)
	}
	early := false
	for i := range s.joins {
		if early && s.joins[i].flags == unix.CLONE_NEWTIME {
			continue
		}
		_, _, errno = syscall.RawSyscall(unix.SYS_SETNS, uintptr(s.joins[i].fd), s.joins[i].flags, 0)
		if errno != 0 && !s.joins[i].early {
			fail(s, stageSetns, errno)
		}
		early = early || errno == 0 && s.joins[i].early
	}
	if s.timeNS {
		makeTimeNS(s)
	}
	if s.second {
		keepOnly(s)
		secondClone(s)
	}
	if s.gateMaps {
		waitGate(s)
	}
	if s.beRoot {
		becomeRoot(s)
	}
	if s.cgroupNS {
		// Not at clone: a namespace made together with CLONE_INTO_CGROUP has the parent's cgroup as its root.
		if _, _, errno = syscall.RawSyscall(unix.SYS_UNSHARE, unix.CLONE_NEWCGROUP, 0, 0); errno != 0 {
			fail(s, stageCgroupNS, errno)
		}
	}
	if s.session {
		if _, _, errno = syscall.RawSyscall(unix.SYS_SETSID, 0, 0, 0); errno != 0 && errno != syscall.EPERM {
			fail(s, stageSession, errno)
		}
	}
	if !s.second {
		placeDescriptors(s)
	}
	_, _, errno = syscall.RawSyscall6(unix.SYS_EXECVEAT, uintptr(s.program), uintptr(unsafe.Pointer(s.empty)),
		uintptr(unsafe.Pointer(&s.argv[0])), uintptr(unsafe.Pointer(&s.envv[0])), unix.AT_EMPTY_PATH, 0)
	fail(s, stageExecve, errno)
}

// secondClone makes the process that stays. It becomes a child of the caller; the pid number that
// clone returns is the caller's too, because joining a pid namespace concerns children only.
//
//go:norace
//go:nocheckptr
//go:nosplit
func secondClone(s *forkSpec) {
	r1, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, s.flags2|unix.CLONE_PARENT|uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 {
		fail(s, stageClone, errno)
	}
	if r1 != 0 {
		report(s, 0, int32(r1))
		exit(0)
	}
}

// makeTimeNS makes a time namespace, which the next child lives in, and sets its clocks before anybody
// does.
//
//go:norace
//go:nocheckptr
//go:nosplit
func makeTimeNS(s *forkSpec) {
	if _, _, errno := syscall.RawSyscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME, 0, 0); errno != 0 {
		fail(s, stageTime, errno)
	}
	if len(s.offsets) == 0 {
		return
	}
	at := unix.AT_FDCWD
	fd, _, errno := syscall.RawSyscall6(unix.SYS_OPENAT, uintptr(at), uintptr(unsafe.Pointer(&s.offsetsAt[0])), unix.O_WRONLY|unix.O_CLOEXEC, 0, 0, 0)
	if errno == 0 {
		_, _, errno = syscall.RawSyscall(unix.SYS_WRITE, fd, uintptr(unsafe.Pointer(&s.offsets[0])), uintptr(len(s.offsets)))
	}
	if errno != 0 {
		fail(s, stageTime, errno)
	}
}

//go:norace
//go:nocheckptr
//go:nosplit
func becomeRoot(s *forkSpec) {
	// setgroups may be denied in a user namespace; the groups are then those of the caller.
	if !s.groups {
		syscall.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0)
	}
	// A namespace that is joined need not know the id 0. The capabilities in it are held all the same.
	if _, _, errno := syscall.RawSyscall(unix.SYS_SETRESGID, s.rootGID, s.rootGID, s.rootGID); errno != 0 && errno != syscall.EINVAL {
		fail(s, stageUser, errno)
	}
	_, _, errno := syscall.RawSyscall(unix.SYS_SETRESUID, s.rootUID, s.rootUID, s.rootUID)
	if errno != 0 && errno != syscall.EINVAL {
		fail(s, stageUser, errno)
	}
	if s.rootUID != 0 || errno == syscall.EINVAL {
		keepCaps(s)
	}
}

// keepCaps makes the capabilities in a user namespace outlast the execve of somebody who is not its 0.
// Source: capabilities(7), "Ambient".
//
//go:norace
//go:nocheckptr
//go:nosplit
func keepCaps(s *forkSpec) {
	s.caps.Version = unix.LINUX_CAPABILITY_VERSION_3
	if _, _, errno := syscall.RawSyscall(unix.SYS_CAPGET, uintptr(unsafe.Pointer(&s.caps)), uintptr(unsafe.Pointer(&s.capSets[0])), 0); errno != 0 {
		fail(s, stageUser, errno)
	}
	for i := range s.capSets {
		s.capSets[i].Inheritable = s.capSets[i].Permitted
	}
	if _, _, errno := syscall.RawSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&s.caps)), uintptr(unsafe.Pointer(&s.capSets[0])), 0); errno != 0 {
		fail(s, stageUser, errno)
	}
	for c := uintptr(0); c < 64; c++ { // numbers that the kernel does not have are refused
		syscall.RawSyscall6(syscall.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, c, 0, 0, 0)
	}
}

// placeDescriptors gives the descriptors their numbers and marks all others close-on-exec.
//
//go:norace
//go:nocheckptr
//go:nosplit
func placeDescriptors(s *forkSpec) {
	base := uintptr(len(s.fds))
	s.status = dupAbove(s, s.status, base)
	s.program = dupAbove(s, s.program, base)
	for i := range s.fds {
		s.scratch[i] = dupAbove(s, s.fds[i], base)
	}
	for i := range s.fds {
		if _, _, errno := syscall.RawSyscall(unix.SYS_DUP3, uintptr(s.scratch[i]), uintptr(i), 0); errno != 0 {
			fail(s, stageFD, errno)
		}
	}
	if _, _, errno := syscall.RawSyscall(unix.SYS_CLOSE_RANGE, base, ^uintptr(0)>>32, unix.CLOSE_RANGE_CLOEXEC); errno != 0 {
		closeOnExecOneByOne(base)
	}
}

// keepOnly places the descriptors and closes all others of the caller before the process enters
// a pid namespace that strangers share: whoever may trace there, may open what it has open,
// and from a directory of the host goes on to all others (CVE-2016-9962).
//
//go:norace
//go:nocheckptr
//go:nosplit
func keepOnly(s *forkSpec) {
	base := uintptr(len(s.fds))
	const own = 3
	s.gate = dupAbove(s, s.gate, base+own)
	placeDescriptors(s)
	s.status, s.program = dupAbove(s, s.status, base+own), dupAbove(s, s.program, base+own)
	s.status, s.program, s.gate = moveTo(s, s.status, base), moveTo(s, s.program, base+1), moveTo(s, s.gate, base+2)
	if _, _, errno := syscall.RawSyscall(unix.SYS_CLOSE_RANGE, base+own, ^uintptr(0)>>32, 0); errno != 0 {
		closeOneByOne(base + own)
	}
}

// closeOneByOne serves kernels before 5.9, which have no close_range, and filters that hide it.
//
//go:norace
//go:nocheckptr
//go:nosplit
func closeOneByOne(from uintptr) {
	var lim syscall.Rlimit
	syscall.RawSyscall6(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, 0, uintptr(unsafe.Pointer(&lim)), 0, 0)
	for fd := from; fd < uintptr(lim.Cur) && fd < 1<<20; fd++ {
		syscall.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
	}
}

//go:norace
//go:nocheckptr
//go:nosplit
func moveTo(s *forkSpec, fd int, to uintptr) int {
	if _, _, errno := syscall.RawSyscall(unix.SYS_DUP3, uintptr(fd), to, unix.O_CLOEXEC); errno != 0 {
		fail(s, stageFD, errno)
	}
	return int(to)
}

// closeOnExecOneByOne serves kernels before 5.11, whose close_range cannot set the flag.
//
//go:norace
//go:nocheckptr
//go:nosplit
func closeOnExecOneByOne(from uintptr) {
	var lim syscall.Rlimit
	syscall.RawSyscall6(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, 0, uintptr(unsafe.Pointer(&lim)), 0, 0)
	for fd := from; fd < uintptr(lim.Cur) && fd < 1<<20; fd++ {
		syscall.RawSyscall(unix.SYS_FCNTL, fd, unix.F_SETFD, unix.FD_CLOEXEC)
	}
}

//go:norace
//go:nocheckptr
//go:nosplit
func dupAbove(s *forkSpec, fd int, base uintptr) int {
	r1, _, errno := syscall.RawSyscall(unix.SYS_FCNTL, uintptr(fd), unix.F_DUPFD_CLOEXEC, base)
	if errno != 0 {
		fail(s, stageFD, errno)
	}
	return int(r1)
}

//go:norace
//go:nocheckptr
//go:nosplit
func waitGate(s *forkSpec) {
	var b [1]byte
	for {
		r1, _, errno := syscall.RawSyscall(unix.SYS_READ, uintptr(s.gate), uintptr(unsafe.Pointer(&b[0])), 1)
		if errno == syscall.EINTR {
			continue
		}
		if r1 != 1 { // the caller is gone or gave up
			exit(1)
		}
		return
	}
}

//go:norace
//go:nocheckptr
//go:nosplit
func fail(s *forkSpec, stage int32, errno syscall.Errno) {
	report(s, stage, int32(errno))
	exit(1)
}

// report writes one status message: stage 0 carries the second child's pid, others an errno.
//
//go:norace
//go:nocheckptr
//go:nosplit
func report(s *forkSpec, stage, value int32) {
	msg := [2]int32{stage, value}
	syscall.RawSyscall(unix.SYS_WRITE, uintptr(s.status), uintptr(unsafe.Pointer(&msg[0])), unsafe.Sizeof(msg))
}

//go:norace
//go:nocheckptr
//go:nosplit
func exit(code uintptr) {
	for {
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, code, 0, 0)
	}
}
