package direct

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
)

// An image's address space: its code, the context with the operations behind it, what they refer to, and
// room that is zero at first. The machine code knows the second.
const (
	codeBase  = 0x08000000
	listBase  = 0x10000000
	dataBase  = 0x20000000
	spaceBase = 0x60000000
	page      = 4096
)

// The context, by offset. A failure is told by a message of two parts, by writev(2).
const (
	atErrno   = 0  // of the last call that failed, a word
	atMessage = 8  // the kind of message, padded to four bytes, and the errno: launch.StepSize bytes
	atHead    = 16 // struct iovec of that
	atAccount = 32 // struct iovec of the account of the operation that failed
	atSocket  = 48 // descriptor that the message goes to, a word
	ctxSize   = 64
)

// op is an operation, as the machine code reads it.
type op struct {
	// nr is a system call's number, with opLoad for each argument that is the address of a word with it, or one of the
	// negative numbers below. So the list itself is hardly ever written to, and its pages stay those of the file.
	nr   int64
	args [6]uint64
	// errs are four errnos of 16 bits that do not end the list but lead to alt; anyErrno is all of them.
	errs uint64
	// alt is the address of another operation.
	alt uint64
	// save is where the call's result goes, or 0.
	save uint64
	// account is the address of a struct iovec with what is told when the call fails, or 0.
	account uint64
}

// opLoad, shifted by the number of an argument, says that the argument is in a word. The machine code knows it.
const opLoad = int64(1) << 32

// Operations that are no system calls.
const (
	opTest   = -1 // goes on if the word at args[0], masked by args[1], is args[2]; else alt
	opCopy64 = -2 // copies the word at args[0] to args[1]
	opCopy32 = -3 // the same with 4 bytes
	opLeast  = -4 // stores at args[0] the lesser of the words at args[0] and args[1]
	opJump   = -5 // goes on at alt
	opFail   = -6 // fails with the errno at args[0]
	opExcept = -7 // goes to alt if the word at args[0], masked by args[1], is args[2]; else on
)

// anyErrno stands for all errnos.
const anyErrno = 0xffff

const opSize = uint64(unsafe.Sizeof(op{}))

func addressOf(index int) uint64 { return listBase + ctxSize + uint64(index)*opSize }

// code returns the machine code, nil where there is none.
func code() []byte {
	start, size := codeBounds()
	if start == nil || size > page {
		return nil
	}
	return unsafe.Slice((*byte)(start), size)
}

// segment is a part of the image.
type segment struct {
	flags   uint32 // of elf.h: 1 execute, 2 write, 4 read
	address uint64
	body    [][]byte
	size    uint64 // beyond the body
}

// file writes the image into a sealed file in memory, which nobody can change. The caller closes it.
func (b *builder) file() (*os.File, error) {
	context := make([]byte, ctxSize)
	context[atMessage] = b.message
	for at, word := range map[int]uint64{atHead: listBase + atMessage, atHead + 8: launch.StepSize, atSocket: b.socket} {
		binary.NativeEndian.PutUint64(context[at:], word)
	}
	ops := unsafe.Slice((*byte)(unsafe.Pointer(&b.ops[0])), len(b.ops)*int(opSize))
	parts, size := link([]segment{
		{flags: 5, address: codeBase, body: [][]byte{code()}},
		{flags: 6, address: listBase, body: [][]byte{context, ops}},
		{flags: 6, address: dataBase, body: [][]byte{b.data}},
		{flags: 6, address: spaceBase, size: max(b.space, 8)},
	})
	// MFD_EXEC is asked for by kernels from 6.3 on and unknown to those before.
	fd, err := unix.MemfdCreate("exec", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate("exec", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, fmt.Errorf("image in memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), "image")
	n, err := unix.Writev(fd, parts)
	runtime.KeepAlive(b)
	if err == nil && n != size {
		err = io.ErrShortWrite
	}
	if err == nil {
		err = unix.Ftruncate(fd, int64(size)+int64(b.space)+page)
	}
	if err == nil {
		const all = unix.F_SEAL_WRITE | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, all)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("image in memory: %w", err)
	}
	return f, nil
}

// link puts the segments behind a header and returns the parts of the file, and their size in bytes. The first segment
// has the header at its beginning, the last no body: it is a hole at the end of the file. Source: elf(5).
func link(segments []segment) (parts [][]byte, size int) {
	const headerSize, entrySize, stack = 64, 56, 0x6474e551 // PT_GNU_STACK
	le := binary.NativeEndian
	head := headerSize + entrySize*(len(segments)+1)
	h := make([]byte, head)
	copy(h, "\x7fELF\x02\x01\x01")
	le.PutUint16(h[16:], 2) // ET_EXEC
	le.PutUint16(h[18:], machine)
	le.PutUint32(h[20:], 1)
	le.PutUint64(h[24:], codeBase+uint64(head))
	le.PutUint64(h[32:], headerSize)
	le.PutUint16(h[52:], headerSize)
	le.PutUint16(h[54:], entrySize)
	le.PutUint16(h[56:], uint16(len(segments)+1))
	entry := func(i int, kind, flags uint32, offset, address, size uint64) {
		e := h[headerSize+i*entrySize:]
		le.PutUint32(e, kind)
		le.PutUint32(e[4:], flags)
		for k, v := range []uint64{offset, address, address, size, size, page} {
			le.PutUint64(e[8+8*k:], v)
		}
	}
	padding := make([]byte, page)
	parts, size = [][]byte{h}, head
	for i, s := range segments {
		offset, length := size, int(s.size)
		for _, part := range s.body {
			parts = append(parts, part)
			size += len(part)
			length += len(part)
		}
		if i == 0 {
			offset, length = 0, size
		}
		entry(i, 1, s.flags, uint64(offset), s.address, uint64(length))
		gap := -size & (page - 1)
		parts = append(parts, padding[:gap])
		size += gap
	}
	entry(len(segments), stack, 6, 0, 0, 0)
	return parts, size
}
