package direct

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
)

// console makes a pseudo-terminal inside the container's devpts, sends its master to the parent, and makes its slave
// the process's stdio and controlling terminal. Neither name is followed, and what is opened is looked at
// before it is driven.
func (m *making) console() {
	const stage, dir = "console", "/dev/pts"
	why := func(path string) account { return fail(stage, path) }
	pts, master, slave := m.room(8), m.room(8), m.room(8)
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS}
	m.do(why(dir), unix.SYS_OPENAT2, negative(unix.AT_FDCWD), m.text(dir), record(m.builder, &how), uint64(unsafe.Sizeof(how))).into(pts)
	statfs := m.room(uint64(unsafe.Sizeof(unix.Statfs_t{})))
	m.with(0, pts).do(why(dir), unix.SYS_FSTATFS, 0, statfs)
	none := why(dir)
	none.Detail = "the container has no devpts here"
	m.demand(statfs, ^uint64(0), unix.DEVPTS_SUPER_MAGIC, none)
	const flags = unix.O_RDWR | unix.O_NOCTTY | unix.O_CLOEXEC
	ptmx := why(dir + "/ptmx")
	m.with(0, pts).do(ptmx, unix.SYS_OPENAT, 0, m.text("ptmx"), flags|unix.O_NOFOLLOW, 0).into(master)
	m.with(0, pts).do(why(dir), unix.SYS_CLOSE).tolerate()
	// 5:2 is ptmx; a file that a container put in its place must not be driven as a terminal.
	stat := m.room(uint64(unsafe.Sizeof(unix.Stat_t{})))
	m.with(0, master).do(ptmx, unix.SYS_FSTAT, 0, stat)
	m.demand(stat+uint64(unsafe.Offsetof(unix.Stat_t{}.Mode)), unix.S_IFMT, unix.S_IFCHR, ptmx)
	m.demand(stat+uint64(unsafe.Offsetof(unix.Stat_t{}.Rdev)), ^uint64(0), unix.Mkdev(5, 2), ptmx)
	m.with(0, master).do(why("unlock"), unix.SYS_IOCTL, 0, unix.TIOCSPTLCK, m.words(0))
	m.with(0, master).do(why("peer"), unix.SYS_IOCTL, 0, unix.TIOCGPTPEER, flags).into(slave)
	if m.ConsoleRows != 0 && m.ConsoleColumns != 0 {
		size := unix.Winsize{Row: m.ConsoleRows, Col: m.ConsoleColumns}
		m.with(0, master).do(why("size"), unix.SYS_IOCTL, 0, unix.TIOCSWINSZ, record(m.builder, &size))
	}
	m.with(0, slave).do(why("owner"), unix.SYS_FCHOWN, 0, uint64(m.UID), negative(-1)).tolerate(syscall.EPERM, syscall.EINVAL)
	m.send(stage, launch.MsgConsole, master)
	m.with(0, master).do(why(""), unix.SYS_CLOSE).tolerate()
	for fd := range uint64(3) {
		m.with(0, slave).do(why("stdio"), unix.SYS_DUP3, 0, fd, 0)
	}
	m.with(0, slave).do(why(""), unix.SYS_CLOSE).tolerate()
	m.do(why("controlling terminal"), unix.SYS_IOCTL, 0, unix.TIOCSCTTY, 0)
}

// demand fails with ENODEV unless a word, masked, is a value.
func (m *making) demand(word, mask, value uint64, why account) {
	var wrong, right label
	m.unless(word, mask, value, &wrong)
	m.jump(&right)
	m.place(&wrong)
	m.failWith(why, m.words(uint64(syscall.ENODEV)))
	m.place(&right)
}
