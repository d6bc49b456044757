package direct

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
)

// carryOut executes a list, whose socket is a pipe here, and returns what it wrote there and its exit code.
func carryOut(t *testing.T, b *builder) ([]byte, int) {
	t.Helper()
	file, err := b.file()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	cmd := exec.Command("/proc/self/fd/4")
	cmd.ExtraFiles = []*os.File{w, file}
	err = cmd.Run()
	_ = w.Close()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return out, cmd.ProcessState.ExitCode()
}

func needCode(t *testing.T) {
	t.Helper()
	if code() == nil {
		t.Skip("no machine code for this architecture")
	}
}

// write tells the word at an address.
func (b *builder) write(word uint64) { b.do(fail("write", ""), unix.SYS_WRITE, b.socket, word, 8) }

func (b *builder) exit(code uint64) { b.do(fail("exit", ""), unix.SYS_EXIT_GROUP, code) }

func TestList(t *testing.T) {
	needCode(t)
	const missing = "/nothing/of/this/name"
	for name, c := range map[string]struct {
		list func(b *builder)
		want uint64 // the word that it writes
	}{
		"a result is kept": {func(b *builder) {
			word := b.room(8)
			b.do(account{}, unix.SYS_UMASK, 0o27)
			b.do(account{}, unix.SYS_UMASK, 0).into(word)
			b.write(word)
		}, 0o27},
		"a result is an argument": {func(b *builder) {
			fd, word := b.room(8), b.room(8)
			b.do(account{}, unix.SYS_MEMFD_CREATE, b.text("x"), 0).into(fd)
			b.with(0, fd).do(account{}, unix.SYS_WRITE, 0, b.text("12345"), 5)
			b.with(0, fd).do(account{}, unix.SYS_LSEEK, 0, 0, unix.SEEK_END).into(word)
			b.write(word)
		}, 5},
		"two results are arguments": {func(b *builder) {
			from, to, word := b.room(8), b.room(8), b.room(8)
			b.copy64(b.words(77), to)
			b.copy64(b.words(1), from)
			b.with(0, from).with(1, to).do(account{}, unix.SYS_DUP2).into(word)
			b.write(word)
		}, 77},
		"an errno is tolerated": {func(b *builder) {
			b.do(account{}, unix.SYS_CHDIR, b.text(missing)).tolerate(syscall.EPERM, syscall.ENOENT)
			b.write(listBase + atErrno)
		}, uint64(syscall.ENOENT)},
		"the last of four is tolerated": {func(b *builder) {
			b.do(account{}, unix.SYS_CHDIR, b.text(missing)).tolerate(syscall.EPERM, syscall.EACCES, syscall.EIO, syscall.ENOENT)
			b.write(listBase + atErrno)
		}, uint64(syscall.ENOENT)},
		"any errno is tolerated": {func(b *builder) {
			b.do(account{}, unix.SYS_CLOSE, 1<<20).tolerate()
			b.write(listBase + atErrno)
		}, uint64(syscall.EBADF)},
		"an errno leads elsewhere": {func(b *builder) {
			var other label
			b.do(account{}, unix.SYS_CHDIR, b.text(missing)).orElse(&other, syscall.ENOENT)
			b.write(b.words(1))
			b.exit(0)
			b.place(&other)
			b.write(b.words(2))
		}, 2},
		"a test that holds": {func(b *builder) {
			var other label
			b.unless(b.words(0xff21), 0xff, 0x21, &other)
			b.write(b.words(1))
			b.exit(0)
			b.place(&other)
			b.write(b.words(2))
		}, 1},
		"a test that does not": {func(b *builder) {
			var other label
			b.unless(b.words(0xff21), 0xfff, 0x21, &other)
			b.write(b.words(1))
			b.exit(0)
			b.place(&other)
			b.write(b.words(2))
		}, 2},
		"back and on": {func(b *builder) {
			word := b.room(8)
			var again, done label
			b.place(&again)
			b.unless(word, ^uint64(0), 0, &done)
			b.copy64(b.words(9), word)
			b.jump(&again)
			b.place(&done)
			b.write(word)
		}, 9},
		"half a word is copied": {func(b *builder) {
			word := b.words(^uint64(0))
			b.copy32(b.words(0), word)
			b.write(word)
		}, 0xffffffff00000000},
		"the lesser of two, the first": {func(b *builder) {
			word := b.words(3)
			b.least(word, b.words(1<<63))
			b.write(word)
		}, 3},
		"the lesser of two, the second": {func(b *builder) {
			word := b.words(1 << 63)
			b.least(word, b.words(4))
			b.write(word)
		}, 4},
	} {
		b := newBuilder(launch.MsgStep)
		b.socket = 3
		c.list(b)
		b.exit(7)
		out, exit := carryOut(t, b)
		if exit != 7 && exit != 0 || len(out) != 8 || binary.NativeEndian.Uint64(out) != c.want {
			t.Errorf("%s: code %d, wrote %x, want %x", name, exit, out, c.want)
		}
	}
}

func TestListFails(t *testing.T) {
	needCode(t)
	for name, c := range map[string]struct {
		list func(b *builder)
		want launch.Failure
	}{
		"a call": {func(b *builder) {
			b.do(fail("first", ""), unix.SYS_GETPID)
			b.do(fail("cwd", "/nothing"), unix.SYS_CHDIR, b.text("/nothing")).tolerate(syscall.EPERM, syscall.EACCES)
		}, launch.Failure{Stage: "cwd", Path: "/nothing", Errno: syscall.ENOENT}},
		"an errno from memory": {
			func(b *builder) { b.failWith(fail("x", "y"), b.words(uint64(syscall.EXDEV))) },
			launch.Failure{Stage: "x", Path: "y", Errno: syscall.EXDEV},
		},
		"a name that is known when it runs": {func(b *builder) {
			word := b.room(8)
			why := account{Stage: "exec", Path: "c", Details: map[syscall.Errno]string{syscall.ENOENT: "more", syscall.EPERM: "other"}}
			b.copy64(b.words(b.keep(why)), word)
			m := &making{builder: b}
			m.about(word, func() call { return b.do(fail("exec", "a"), unix.SYS_EXECVE, b.text("/nothing"), 0, 0) })
		}, launch.Failure{Stage: "exec", Path: "c", Errno: syscall.ENOENT, Detail: "more"}},
		"a detail": {func(b *builder) {
			b.failWith(account{Stage: "x", Path: "y", Detail: "z"}, b.words(uint64(syscall.EXDEV)))
		}, launch.Failure{Stage: "x", Path: "y", Errno: syscall.EXDEV, Detail: "z"}},
	} {
		b := newBuilder(launch.MsgStep)
		b.socket = 3
		c.list(b)
		out, exit := carryOut(t, b)
		if len(out) == 0 || out[0] != launch.MsgStep || exit != 125 {
			t.Errorf("%s: code %d, wrote %x", name, exit, out)
			continue
		}
		if f := launch.DecodeStep(out); *f != c.want {
			t.Errorf("%s: %#v, want %#v", name, f, c.want)
		}
	}
}

// A message that no list of ours sends is no reason to trust it.
func TestExplainNonsense(t *testing.T) {
	for _, msg := range []string{"", "s", "s\x00\x00\x00\x01\x00\x00\x00", "s\x00\x00\x00\x01\x00\x00\x00\x00\x00", strings.Repeat("\xff", 30)} {
		if f := launch.DecodeStep([]byte(msg)); f.Stage != "init" {
			t.Errorf("%x: %#v", msg, f)
		}
	}
}

func TestImageIsSealed(t *testing.T) {
	needCode(t)
	b := newBuilder(launch.MsgStep)
	b.socket = 3
	b.exit(0)
	f, err := b.file()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.WriteAt([]byte("x"), 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("written to: %v", err)
	}
	if err := f.Truncate(0); !errors.Is(err, unix.EPERM) {
		t.Errorf("cut: %v", err)
	}
	t.Logf("%d bytes of machine code", len(code()))
}
