package rootless

import (
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A user namespace can be joined only by a process with a single thread (setns(2)), and a Go program never
// has one. So the process becomes, by execve, a program of a few hundred bytes that joins and executes the
// first one again: the same process, with its terminal, its parent and its signals, and nobody left who
// waits. The program is the assembly of enter_*.s in an ELF file made here, in memory.

// enterRange says where the program's bytes are.
func enterRange() (from, to unsafe.Pointer)

// The addresses of the program: where it is loaded, where it begins, and where it looks for what it is
// told (PARAMS in the assembly).
const (
	loadAt   = 0x400000
	codeAt   = loadAt + 0x100
	paramsAt = loadAt + 0x400
	// params is the size of the fixed part of the parameters, in bytes.
	params = 88
)

// order is what the program is told.
type order struct {
	// pidfd is the process whose namespaces (CLONE_NEW*) are joined. No namespaces: the program only stays.
	pidfd      int
	namespaces uintptr
	// program is executed afterwards.
	program int
	// directory is its working directory.
	directory string
	// name is what the program is called while it only stays, at most 15 bytes.
	name string
}

// encode lays the ELF file out.
func (o *order) encode() []byte {
	from, to := enterRange()
	code := unsafe.Slice((*byte)(from), uintptr(to)-uintptr(from))
	file := make([]byte, paramsAt-loadAt)
	copy(file[codeAt-loadAt:], code)
	var texts []byte
	text := func(s string) (at, size uint64) {
		at = paramsAt + params + uint64(len(texts))
		texts = append(append(texts, s...), 0)
		return at, uint64(len(s))
	}
	le := binary.LittleEndian
	words := []uint64{uint64(o.pidfd), uint64(o.namespaces), uint64(o.program), 0}
	first := o.name
	if o.namespaces != 0 {
		first = "Error: join the user's namespaces: the kernel refuses; run \"manager system migrate\"\n"
	}
	for _, s := range []string{
		first,
		"Error: working directory: it is not there in the user's mount namespace; go to another, or run \"manager system migrate\"\n",
		"Error: start manager in the user's namespaces: the kernel refuses; is it on a file system mounted noexec?\n",
	} {
		at, size := text(s)
		words = append(words, at, size)
	}
	at, _ := text(o.directory)
	words = append(words, at)
	for _, w := range words {
		file = le.AppendUint64(file, w)
	}
	file = append(file, texts...)
	o.header(file)
	return file
}

// What elf(5) calls them.
const (
	etExec     = 2
	emX86      = 62
	emAArch64  = 183
	ptLoad     = 1
	ptGNUStack = 0x6474e551
	pfX, pfW   = 1, 2
	pfR        = 4
)

// header writes the ELF header and two program headers: one segment to read and execute, and a stack that is
// not executable. Source: elf(5).
func (o *order) header(file []byte) {
	machine := uint16(emX86)
	if runtime.GOARCH == "arm64" {
		machine = emAArch64
	}
	le := binary.LittleEndian
	head := append([]byte("\x7fELF"), 2, 1, 1) // 64 bits, little endian, version 1
	head = append(head, make([]byte, 16-len(head))...)
	head = le.AppendUint16(head, etExec)
	head = le.AppendUint16(head, machine)
	head = le.AppendUint32(head, 1)
	head = le.AppendUint64(head, codeAt)
	head = le.AppendUint64(head, 64) // the program headers follow
	head = le.AppendUint64(head, 0)
	head = le.AppendUint32(head, 0)
	for _, n := range []uint16{64, 56, 2, 0, 0, 0} {
		head = le.AppendUint16(head, n)
	}
	size := uint64(len(file))
	for _, p := range []struct {
		kind, flags uint32
		words       [6]uint64 // offset, two addresses, two sizes, alignment
	}{
		{ptLoad, pfR | pfX, [6]uint64{0, loadAt, loadAt, size, size, 0x10000}},
		{ptGNUStack, pfR | pfW, [6]uint64{}},
	} {
		head = le.AppendUint32(le.AppendUint32(head, p.kind), p.flags)
		for _, w := range p.words {
			head = le.AppendUint64(head, w)
		}
	}
	copy(file, head)
}

// file makes the program in memory, or, where that may not be executed (sysctl vm.memfd_noexec), in dir.
func (o *order) file(dir string) (*os.File, error) {
	raw := o.encode()
	fd, err := unix.MemfdCreate("manager-enter", unix.MFD_CLOEXEC|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate("manager-enter", unix.MFD_CLOEXEC)
	}
	if err != nil {
		return o.onDisk(dir, raw)
	}
	f := os.NewFile(uintptr(fd), "manager-enter")
	if _, err := f.Write(raw); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// onDisk is the same as a file that has no name any more; it is opened anew, since a file that is open for
// writing cannot be executed.
func (o *order) onDisk(dir string, raw []byte) (*os.File, error) {
	w, err := os.CreateTemp(dir, "enter-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(w.Name()) }()
	_, err = w.Write(raw)
	if err := errors.Join(err, w.Chmod(0o700), w.Close()); err != nil {
		return nil, err
	}
	return os.Open(w.Name())
}

// become executes the program in f with a command line and an environment. It returns only when it fails.
func become(f *os.File, argv, env []string) error {
	// By the library's call, which gives the limit on open files back that the runtime raised.
	return syscall.Exec("/proc/self/fd/"+strconv.Itoa(int(f.Fd())), argv, env)
}

// inheritable gives descriptors to the next program.
func inheritable(files ...*os.File) error {
	for _, f := range files {
		if _, err := unix.FcntlInt(f.Fd(), unix.F_SETFD, 0); err != nil {
			return err
		}
	}
	return nil
}

// without drops entries of an environment.
func without(env []string, keys ...string) []string {
	var kept []string
next:
	for _, e := range env {
		for _, key := range keys {
			if strings.HasPrefix(e, key+"=") {
				continue next
			}
		}
		kept = append(kept, e)
	}
	return kept
}
