package direct

import (
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer/plan"
	"github.com/manager-project/manager/pkg/sysmon"
)

// become gives the process the attributes of the user's program, in the order of package initproc.
func (m *making) become() {
	if ns := sysmon.Slack(); ns > 0 {
		m.sys("", unix.SYS_PRCTL, unix.PR_SET_TIMERSLACK, uint64(ns)).tolerate()
	}
	m.affinity()
	m.oomScore()
	m.labels()
	m.scheduling()
	m.rlimits()
	m.closeProc()
	m.user()
	m.findHome()
	umask := uint32(0o022)
	if m.Umask != nil {
		umask = *m.Umask
	}
	m.sys("umask", unix.SYS_UMASK, uint64(umask))
}

func (m *making) keyring() {
	if m.Keyring == "" {
		return
	}
	const attr = "thread-self/attr/keycreate"
	if m.SELinux != "" {
		// Without a label of its own a key has its maker's, and the container could not use it.
		m.writeProc(fail("selinux label", m.SELinux), attr, m.SELinux, nil)
	}
	m.do(fail("keyring", m.Keyring), unix.SYS_KEYCTL, unix.KEYCTL_JOIN_SESSION_KEYRING, m.text(m.Keyring)).
		tolerate(syscall.ENOSYS, syscall.EPERM, syscall.EDQUOT)
	if m.SELinux != "" {
		var done label
		m.writeProc(account{}, attr, "\n", &done) // execve clears it too
		m.place(&done)
	}
}

func (m *making) affinity() {
	if len(m.Affinity) > 0 {
		m.sys("cpu affinity", unix.SYS_SCHED_SETAFFINITY, 0, uint64(len(m.Affinity)*8), m.words(m.Affinity...))
	} else if m.ResetAffinity {
		var all [16]uint64 // as in initproc
		for i := range all {
			all[i] = ^uint64(0)
		}
		m.sys("cpu affinity", unix.SYS_SCHED_SETAFFINITY, 0, uint64(unsafe.Sizeof(all)), m.words(all[:]...)).tolerate()
	}
}

// oomScore is tried: lowering it wants a privilege that rootless callers do not have.
func (m *making) oomScore() {
	if m.OOMScoreAdj == nil {
		return
	}
	var done label
	m.writeProc(fail("oom_score_adj", ""), "self/oom_score_adj", strconv.Itoa(*m.OOMScoreAdj), &done, syscall.EACCES, syscall.EPERM)
	m.place(&done)
}

func (m *making) labels() {
	if p := m.AppArmor; p != "" {
		var old, done label
		why := fail("apparmor profile", p)
		why.Details = map[syscall.Errno]string{syscall.ENOENT: "it is not loaded"}
		m.writeProc(why, "thread-self/attr/apparmor/exec", "exec "+p, &old, syscall.ENOENT)
		m.jump(&done)
		m.place(&old)
		m.writeProc(why, "thread-self/attr/exec", "exec "+p, nil)
		m.place(&done)
	}
	if l := m.SELinux; l != "" {
		m.writeProc(fail("selinux label", l), "thread-self/attr/exec", l, nil)
	}
}

// writeProc writes a file of procfs, through a handle of our own. It goes elsewhere after the errnos.
func (m *making) writeProc(why account, name, value string, other *label, errnos ...syscall.Errno) {
	how := unix.OpenHow{
		Flags:   unix.O_WRONLY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_MAGICLINKS,
	}
	file := m.room(8)
	tolerant := func(c call) {
		if other != nil {
			c.orElse(other, errnos...)
		}
	}
	if m.proc == 0 {
		m.openProc(why, tolerant)
	}
	tolerant(m.with(0, m.proc).do(why, unix.SYS_OPENAT2, 0, m.text(name), record(m.builder, &how), uint64(unsafe.Sizeof(how))).into(file))
	tolerant(m.with(0, file).do(why, unix.SYS_WRITE, 0, m.text(value), uint64(len(value))))
	m.with(0, file).do(why, unix.SYS_CLOSE).tolerate()
}

// openProc makes a detached instance of procfs; without the privilege for that, a detached clone of the one at
// /proc, checked to be procfs.
func (m *making) openProc(why account, tolerant func(call)) {
	m.proc = m.room(8)
	fs, st := m.room(8), m.room(uint64(unsafe.Sizeof(unix.Statfs_t{})))
	var clone, open, check, done, wrong label
	const fsconfigCreate = unix.FSCONFIG_CMD_CREATE
	m.do(why, unix.SYS_FSOPEN, m.text("proc"), unix.FSOPEN_CLOEXEC).into(fs).orElse(&clone)
	m.with(0, fs).do(why, unix.SYS_FSCONFIG, 0, fsconfigCreate, 0, 0, 0).orElse(&clone)
	m.with(0, fs).do(why, unix.SYS_FSMOUNT, 0, unix.FSMOUNT_CLOEXEC, 0).into(m.proc).orElse(&clone)
	m.with(0, fs).do(why, unix.SYS_CLOSE).tolerate()
	m.jump(&done)
	m.place(&clone)
	path := m.text("/proc")
	m.do(why, unix.SYS_OPEN_TREE, negative(unix.AT_FDCWD), path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC).into(m.proc).orElse(&open)
	m.jump(&check)
	m.place(&open)
	const flags = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	tolerant(m.do(why, unix.SYS_OPENAT, negative(unix.AT_FDCWD), path, flags, 0).into(m.proc))
	m.place(&check)
	tolerant(m.with(0, m.proc).do(why, unix.SYS_FSTATFS, 0, st))
	m.unless(st, ^uint64(0), unix.PROC_SUPER_MAGIC, &wrong)
	m.jump(&done)
	m.place(&wrong)
	m.failWith(why, m.words(uint64(syscall.ENODEV)))
	m.place(&done)
}

// closeProc closes what leads to a directory, before the working directory, which may be a path of
// /proc/self/fd, is entered.
func (m *making) closeProc() {
	if m.proc != 0 {
		m.with(0, m.proc).do(account{}, unix.SYS_CLOSE).tolerate()
	}
}

func (m *making) scheduling() {
	if s := m.Scheduler; s != nil {
		attr := unix.SchedAttr{
			Size: uint32(unsafe.Sizeof(unix.SchedAttr{})), Policy: s.Policy, Flags: s.Flags, Nice: s.Nice,
			Priority: s.Priority, Runtime: s.Runtime, Deadline: s.Deadline, Period: s.Period,
		}
		m.sys("scheduler", unix.SYS_SCHED_SETATTR, 0, record(m.builder, &attr), 0)
	}
	if p := m.IOPriority; p != nil {
		const whoProcess = 1 // IOPRIO_WHO_PROCESS
		m.sys("io priority", unix.SYS_IOPRIO_SET, whoProcess, 0, uint64(p.Value))
	}
	if mp := m.MemoryPolicy; mp != nil {
		mask, bits := uint64(0), uint64(0)
		if len(mp.Nodes) > 0 {
			mask, bits = m.words(mp.Nodes...), uint64(len(mp.Nodes)*64+1) // the kernel takes one off
		}
		m.sys("memory policy", unix.SYS_SET_MEMPOLICY, negative(mp.Mode), mask, bits)
	}
	if m.Personality != nil {
		m.sys("personality", unix.SYS_PERSONALITY, uint64(*m.Personality))
	}
}

// rlimits sets the limits. A hard limit above the present one needs CAP_SYS_RESOURCE; where that
// is missing the present hard limit is kept, as the most that can be had.
func (m *making) rlimits() {
	for _, r := range m.Rlimits {
		why := fail("rlimit", strconv.Itoa(r.Resource))
		want := m.words(r.Soft, r.Hard)
		have := m.room(16)
		resource := uint64(r.Resource)
		var refused, done label
		m.do(why, unix.SYS_PRLIMIT64, 0, resource, want, 0).orElse(&refused, syscall.EPERM)
		m.jump(&done)
		m.place(&refused)
		m.do(why, unix.SYS_PRLIMIT64, 0, resource, 0, have)
		m.least(want+8, have+8)
		m.least(want, want+8)
		m.do(why, unix.SYS_PRLIMIT64, 0, resource, want, 0)
		m.place(&done)
	}
}

// user drops the bounding set, changes the ids and enters the working directory.
func (m *making) user() {
	m.boundingSet()
	entered, cwd := m.room(8), m.text(m.Cwd)
	var refused, done, wrong label
	why := fail("cwd", m.Cwd)
	m.do(why, unix.SYS_CHDIR, cwd).orElse(&refused) // as root; a directory closed to the user may still be the image's choice
	m.copy64(m.words(1), entered)
	m.place(&refused)
	m.setIDs()
	m.unless(entered, ^uint64(0), 0, &done)
	m.do(why, unix.SYS_CHDIR, cwd) // as the user; a FUSE mount may be closed to root
	m.place(&done)
	// A descriptor of the host that was reached through /proc would not be inside the root.
	name := m.room(unix.PathMax)
	var inside label
	m.do(why, unix.SYS_GETCWD, name, unix.PathMax)
	m.unless(name, 0xff, '/', &wrong)
	m.jump(&inside)
	m.place(&wrong)
	outside := why
	outside.Detail = "the directory is outside the container"
	m.failWith(outside, m.words(uint64(syscall.EXDEV)))
	m.place(&inside)
	m.userCapabilities()
}

func (m *making) setIDs() {
	m.do(fail("capabilities", "keep"), unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 1)
	if !m.KeepGroups {
		list := uint64(0)
		if len(m.Groups) > 0 {
			list = m.bytes(unsafe.Slice((*byte)(unsafe.Pointer(&m.Groups[0])), 4*len(m.Groups)))
		}
		m.sys("groups", unix.SYS_SETGROUPS, uint64(len(m.Groups)), list)
	}
	gid, uid := uint64(m.GID), uint64(m.UID)
	m.do(fail("group", strconv.Itoa(int(m.GID))), unix.SYS_SETRESGID, gid, gid, gid)
	m.do(fail("user", strconv.Itoa(int(m.UID))), unix.SYS_SETRESUID, uid, uid, uid)
	m.undumpable()
	m.do(fail("capabilities", "keep"), unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 0)
}

const sysAdmin = uint64(1) << unix.CAP_SYS_ADMIN

// boundingSet drops what the program may never gain. What this process does not hold itself cannot be granted
// and is left out, as the OCI specification asks.
func (m *making) boundingSet() {
	var want plan.Capabilities
	if m.Capabilities != nil {
		want = *m.Capabilities
	}
	want.Permitted &= m.have
	want.Effective &= want.Permitted
	want.Inheritable &= m.have
	want.Ambient &= want.Permitted & want.Inheritable
	m.final = want
	for c := 0; c <= m.last; c++ {
		if want.Bounding>>c&1 == 0 {
			m.do(fail("capabilities", "bounding "+strconv.Itoa(c)), unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, uint64(c))
		}
	}
}

// userCapabilities sets the other four sets. A filter without no_new_privs needs CAP_SYS_ADMIN
// to be installed; it is held until then, which is after everything else.
func (m *making) userCapabilities() {
	now := m.final
	if m.Seccomp != nil && !m.NoNewPrivs {
		now.Permitted |= sysAdmin & m.have
		now.Effective |= sysAdmin & m.have
	}
	m.capset(now)
	m.do(fail("capabilities", "ambient"), unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL)
	for c := 0; c <= m.last; c++ {
		if m.final.Ambient>>c&1 != 0 {
			m.do(fail("capabilities", "ambient "+strconv.Itoa(c)), unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uint64(c))
		}
	}
}

func (m *making) capset(c plan.Capabilities) call {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{
		{Effective: uint32(c.Effective), Permitted: uint32(c.Permitted), Inheritable: uint32(c.Inheritable)},
		{Effective: uint32(c.Effective >> 32), Permitted: uint32(c.Permitted >> 32), Inheritable: uint32(c.Inheritable >> 32)},
	}
	return m.sys("capabilities", unix.SYS_CAPSET, record(m.builder, &hdr), record(m.builder, &data))
}
