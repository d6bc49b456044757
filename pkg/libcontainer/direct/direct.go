package direct

import (
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
)

// Possible says whether the plan of a request can be carried out without the small program. This is the one place
// where the two ways part.
func Possible(req *launch.Request, p *plan.Plan) bool {
	proc := &p.Process
	switch {
	case req.Join == nil || len(req.Enter) > 0 || len(req.OpenFiles) > 0:
		return false
	case proc.OOMScoreAdj != nil && req.Join.Flags&unix.CLONE_NEWUSER != 0:
		// What is undumpable belongs to the root of the user namespace that it was executed in: an image
		// may not write its own score after it has left that.
		return false
	case code() == nil:
		return false
	case !p.Join || p.Hooks != nil || proc.Reaper != "" || proc.MakeCwd:
		return false // the inside of a new container
	case proc.Seccomp != nil && (proc.Seccomp.Listener || !fits(proc.Seccomp)):
		// A listener is handed over while the filter holds already: that takes a second thread.
		return false
	}
	return calls()
}

func fits(s *plan.Seccomp) bool {
	n := len(s.Filter) / int(unsafe.Sizeof(unix.SockFilter{}))
	return n > 0 && n <= 4096 // BPF_MAXINSNS
}

// calls says whether the kernel, and what may stand between it and us, knows the calls that an image makes
// without another way.
func calls() bool {
	if unix.CloseRange(^uint(0)>>32, ^uint(0)>>32, 0) != nil {
		return false
	}
	fd, err := unix.Openat2(unix.AT_FDCWD, "/", &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC})
	if err != nil {
		return false
	}
	_ = unix.Close(fd)
	return unix.Faccessat2(unix.AT_FDCWD, "/", 0, unix.AT_EACCESS) == nil
}

// Attach makes the image of a request for a join. The caller closes its file.
func Attach(req *launch.Request, p *plan.Process) error {
	m := newMaking(req, p, launch.MsgStep)
	m.pidfd = m.socket + 1
	if err := m.limits(); err != nil {
		return err
	}
	m.enter()
	m.keyring()
	if m.Terminal {
		m.console()
	}
	return m.finish()
}

func newMaking(req *launch.Request, p *plan.Process, message byte) *making {
	m := &making{builder: newBuilder(message), Process: p, req: req}
	m.socket = uint64(3 + len(req.ExtraFiles))
	return m
}

// finish adds what is the same for a process that joins and for a container's first one, and makes the image.
func (m *making) finish() error {
	file, about := m.room(8), m.room(8)
	m.become()
	m.barrier(file, about)
	m.execute(file, about)
	image, err := m.file()
	if err != nil {
		return err
	}
	m.req.Image = &launch.Image{File: image, Tasks: len(m.req.CgroupTasks), Home: m.home >= 0, UID: m.UID}
	return nil
}

// making is an image on its way.
type making struct {
	*builder
	*plan.Process
	req *launch.Request
	// pidfd is the descriptor of the container's init in the image.
	pidfd uint64
	// have are the capabilities that the process has when it comes in, last the kernel's last one.
	have uint64
	last int
	// final are the capabilities of the program.
	final plan.Capabilities
	// proc is the word with our handle on procfs, 0 as long as there is none.
	proc uint64
	// home is the index of HOME in the environment if it is to be looked up, else -1; answer is where it comes.
	home               int
	answer, answerSize uint64
	// env is the environment's list of pointers.
	env uint64
}

// limits finds out what the process is given on its way in.
func (m *making) limits() error {
	for m.last = 63; m.last > 0; m.last-- {
		if _, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(m.last), 0, 0, 0); err == nil {
			break
		}
	}
	if m.req.Join != nil && m.req.Join.Flags&unix.CLONE_NEWUSER != 0 {
		m.have = 1<<(m.last+1) - 1 // who enters a user namespace has all of them there
		return nil
	}
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return err
	}
	m.have = uint64(data[0].Permitted) | uint64(data[1].Permitted)<<32
	return nil
}

// sys adds a call of which nothing can be said but its stage.
func (m *making) sys(stage string, nr uintptr, args ...uint64) call {
	return m.do(fail(stage, ""), nr, args...)
}

// undumpable keeps others from looking into the process; changing ids or namespaces may undo it.
func (m *making) undumpable() {
	m.sys("", unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0).tolerate()
}

// enter joins the namespaces and makes the process that stays.
func (m *making) enter() {
	m.undumpable()
	m.cgroups(fail("cgroup", ""), m.pidfd+1)
	m.sys("descriptor", unix.SYS_CLOSE_RANGE, m.pidfd+1, 1<<32-1, 0)
	m.sys("descriptor", unix.SYS_FCNTL, m.socket, unix.F_SETFD, unix.FD_CLOEXEC)
	m.raiseFiles()
	flags := uint64(m.req.Join.Flags)
	user, time := flags&unix.CLONE_NEWUSER, flags&unix.CLONE_NEWTIME
	const stage = "namespace"
	var inTime label
	early := m.room(8)
	if user != 0 && time != 0 {
		// Whether a time namespace is joined before or after a user namespace depends on who made it.
		var no label
		m.sys(stage, unix.SYS_SETNS, m.pidfd, time).orElse(&no)
		m.copy64(m.words(1), early)
		m.place(&no)
	}
	for _, some := range []uint64{user, flags &^ (user | time)} {
		if some != 0 {
			m.sys(stage, unix.SYS_SETNS, m.pidfd, some)
		}
	}
	if time != 0 {
		m.unless(early, ^uint64(0), 0, &inTime)
		m.sys(stage, unix.SYS_SETNS, m.pidfd, time)
		m.place(&inTime)
	}
	m.undumpable()
	if flags != 0 {
		m.second()
	}
	m.sys("descriptor", unix.SYS_CLOSE, m.pidfd).tolerate()
	if user != 0 {
		if !m.req.KeepGroups {
			m.sys("user namespace", unix.SYS_SETGROUPS, 0, 0).tolerate() // may be denied there
		}
		// The namespace need not know the id 0.
		m.sys("user namespace", unix.SYS_SETRESGID, 0, 0, 0).tolerate(syscall.EINVAL)
		m.sys("user namespace", unix.SYS_SETRESUID, 0, 0, 0).tolerate(syscall.EINVAL)
		m.undumpable()
	}
	if m.req.Detached || m.Terminal {
		m.sys("session", unix.SYS_SETSID).tolerate(syscall.EPERM)
	}
}

// cgroups enters the version 1 cgroups whose tasks files are the descriptors from first on. "0" moves the thread that
// writes it, and is spared the kernel's lock on whole thread groups.
func (m *making) cgroups(why account, first uint64) {
	zero := m.bytes([]byte("0"))
	for i := range m.req.CgroupTasks {
		m.do(why, unix.SYS_WRITE, first+uint64(i), zero, 1)
	}
}

// raiseFiles gives the process the limit of open files that this one has: the standard library raises its own
// at start, and takes that back where it makes children.
func (m *making) raiseFiles() {
	var have unix.Rlimit
	if unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &have) == nil {
		m.sys("rlimit", unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, record(m.builder, &have), 0).tolerate()
	}
}

// second clones the process that stays, a child of the caller: a pid namespace is only entered by children.
func (m *making) second() {
	pid := m.room(8)
	var inside, outside label
	m.sys("clone", unix.SYS_CLONE, unix.CLONE_PARENT|uint64(syscall.SIGCHLD), 0, 0, 0, 0).into(pid)
	m.unless(pid, ^uint64(0), 0, &outside)
	m.jump(&inside)
	m.place(&outside)
	msg := m.room(8)
	m.copy32(m.words(uint64(launch.MsgChild)), msg)
	m.copy32(pid, msg+4)
	m.sys("clone", unix.SYS_WRITE, m.socket, msg, 8)
	m.sys("clone", unix.SYS_EXIT_GROUP, 0)
	m.place(&inside)
}

// barrier says that the process is ready, waits for the word to go on and finds the program, whose name and account
// it stores. If that word is left to somebody else the program is looked for twice: see launch.Child.Park.
func (m *making) barrier(file, about uint64) {
	const stage = "barrier"
	var plain, wait, come, other, look, run label
	if m.home >= 0 {
		// Only here, inside and as that user, is the file the one that the program will see. Whatever the name leads
		// to must not hold us up.
		passwd := m.room(8)
		const at, flags = unix.AT_FDCWD, unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
		m.sys(stage, unix.SYS_OPENAT, negative(at), m.text("/etc/passwd"), flags, 0).into(passwd).orElse(&plain)
		m.send(stage, launch.MsgReady, passwd)
		m.with(0, passwd).do(fail(stage, ""), unix.SYS_CLOSE).tolerate()
		m.jump(&wait)
		m.place(&plain)
	}
	m.tell(stage, launch.MsgReady)
	m.place(&wait)
	got, listener := m.receive(stage)
	m.unless(got, ^uint64(0), 0, &come)
	m.sys(stage, unix.SYS_EXIT_GROUP, 125) // the parent is gone: nobody wants this process
	m.place(&come)
	m.unless(m.answer, 0xff, uint64(launch.MsgGo), &other)
	m.copy64(m.words(0), listener)
	m.jump(&look)
	m.place(&other)
	m.unless(m.answer, 0xff, uint64(launch.MsgPark), &wait)
	m.place(&look)
	m.lookup(file, about)
	var park label
	m.unless(listener, ^uint64(0), 0, &park)
	m.jump(&run)
	m.place(&park)
	m.park(stage, listener)
	m.jump(&wait)
	m.place(&run)
}

// receive receives a message. It returns the words with its size and with the descriptor that came with it, 0 for none.
func (m *making) receive(stage string) (size, file uint64) {
	size, file = m.room(8), m.room(8)
	space := uint64(unix.CmsgSpace(4))
	control := m.room(space)
	hdr := m.words(0, 0, m.words(m.answer, m.answerSize), 1, control, 0, 0) // struct msghdr
	controlLen := hdr + 40
	m.copy64(m.words(0), file)
	m.copy64(m.words(space), controlLen)
	m.sys(stage, unix.SYS_RECVMSG, m.socket, hdr, unix.MSG_CMSG_CLOEXEC).into(size).again()
	var none label
	m.unless(controlLen, ^uint64(0), space, &none)
	m.copy32(control+uint64(unix.CmsgLen(0)), file)
	m.place(&none)
	return size, file
}

// park replaces the connection to the parent by the first one that the listener accepts.
func (m *making) park(stage string, listener uint64) {
	connection := m.room(8)
	m.tell(stage, launch.MsgParked)
	m.with(0, listener).do(fail(stage, ""), unix.SYS_ACCEPT4, 0, 0, 0, unix.SOCK_CLOEXEC).into(connection).again(syscall.ECONNABORTED)
	m.with(0, connection).do(fail(stage, ""), unix.SYS_DUP3, 0, m.socket, unix.O_CLOEXEC)
	m.with(0, connection).do(fail(stage, ""), unix.SYS_CLOSE).tolerate()
	m.with(0, listener).do(fail(stage, ""), unix.SYS_CLOSE).tolerate()
}

// tell sends a message of one byte.
func (m *making) tell(stage string, msg byte) {
	m.sys(stage, unix.SYS_WRITE, m.socket, m.bytes([]byte{msg}), 1).again()
}

// send sends a message of one byte with the descriptor in a word.
func (m *making) send(stage string, msg byte, word uint64) {
	control := m.bytes(unix.UnixRights(0))
	vector := m.words(m.bytes([]byte{msg}), 1)
	hdr := m.words(0, 0, vector, 1, control, uint64(unix.CmsgSpace(4)), 0) // struct msghdr
	m.copy32(word, control+uint64(unix.CmsgLen(0)))
	m.sys(stage, unix.SYS_SENDMSG, m.socket, hdr, 0)
}

// negative is a negative argument.
func negative(n int) uint64 { return uint64(int64(n)) }

// findHome makes the environment, with HOME to be filled in if it has none or an empty one, as engines expect of a
// runtime.
func (m *making) findHome() {
	env := m.Env
	m.home = len(env)
	for i, pair := range env {
		if value, ok := strings.CutPrefix(pair, "HOME="); ok {
			m.home = i
			if value != "" {
				m.home = -1
			}
			break
		}
	}
	if m.home == len(env) {
		env = append(env[:len(env):len(env)], "")
	}
	m.answerSize = 8
	if m.home >= 0 {
		m.answerSize = launch.MaxMessage + 8
	}
	m.answer = m.room(m.answerSize)
	list := make([]uint64, 0, len(env)+1)
	for i, pair := range env {
		if i == m.home {
			list = append(list, m.answer+1)
		} else {
			list = append(list, m.text(pair))
		}
	}
	m.env = m.words(append(list, 0)...)
}
