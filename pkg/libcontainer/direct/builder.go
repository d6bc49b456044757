package direct

import (
	"encoding/binary"
	"syscall"
	"unsafe"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
)

// builder collects operations and what they refer to. Addresses are the image's.
type builder struct {
	ops     []op
	why     []account // as long as ops
	data    []byte
	space   uint64
	message byte
	socket  uint64
	pending []load
	// files are the names that a failure with a choice is about.
	files []string
}

// account is what a failed operation is called.
type account struct {
	launch.Failure
	// choice says that the path is one of several, known when it failed.
	choice bool
	// details are texts for errnos of which there is more to say.
	details map[syscall.Errno]string
}

// load is a word that becomes an argument of the next call.
type load struct {
	arg  int
	from uint64
}

// call is an operation that was added.
type call struct {
	b     *builder
	index int
}

// label is a place in the list that may be jumped to before it is known.
type label struct {
	at    int // index plus 1, or 0
	users []int
}

func fail(stage, path string) account {
	return account{Failure: launch.Failure{Stage: stage, Path: path}}
}

// do adds a system call. It ends the list when it fails, unless that is tolerated.
func (b *builder) do(why account, nr uintptr, args ...uint64) call {
	for i, l := range b.pending {
		next := addressOf(len(b.ops) + len(b.pending) - i)
		b.add(why, op{nr: opCopy64, args: [6]uint64{l.from, next + 8 + 8*uint64(l.arg)}})
	}
	b.pending = b.pending[:0]
	o := op{nr: int64(nr)}
	copy(o.args[:], args)
	return b.add(why, o)
}

// with makes the word at an address an argument of the next call.
func (b *builder) with(arg int, word uint64) *builder {
	b.pending = append(b.pending, load{arg, word})
	return b
}

func (b *builder) add(why account, o op) call {
	b.ops, b.why = append(b.ops, o), append(b.why, why)
	return call{b, len(b.ops) - 1}
}

// into stores the call's result in a word.
func (c call) into(word uint64) call {
	c.b.ops[c.index].save = word
	return c
}

// orElse goes on elsewhere after an errno; without one, after any.
func (c call) orElse(to *label, errnos ...syscall.Errno) call {
	o := &c.b.ops[c.index]
	if len(errnos) == 0 {
		o.errs = anyErrno
	}
	for i, e := range errnos {
		o.errs |= uint64(e) << (16 * i)
	}
	c.b.refer(c.index, to)
	return c
}

// tolerate goes on with the next operation after an errno; without one, after any.
func (c call) tolerate(errnos ...syscall.Errno) call {
	return c.orElse(&label{at: c.index + 2}, errnos...)
}

// again makes the call anew when a signal broke it off.
func (c call) again() call { return c.orElse(&label{at: c.index + 1}, syscall.EINTR) }

func (b *builder) refer(user int, to *label) {
	if to.at > 0 {
		b.ops[user].alt = addressOf(to.at - 1)
		return
	}
	to.users = append(to.users, user)
}

// place puts a label before the next operation.
func (b *builder) place(l *label) {
	l.at = len(b.ops) + 1
	for _, user := range l.users {
		b.ops[user].alt = addressOf(len(b.ops))
	}
}

// unless goes elsewhere if the word at an address, masked, is not the value.
func (b *builder) unless(word, mask, value uint64, to *label) {
	c := b.add(account{}, op{nr: opTest, args: [6]uint64{word, mask, value}})
	b.refer(c.index, to)
}

func (b *builder) jump(to *label) { b.refer(b.add(account{}, op{nr: opJump}).index, to) }

func (b *builder) copy64(from, to uint64) {
	b.add(account{}, op{nr: opCopy64, args: [6]uint64{from, to}})
}

func (b *builder) copy32(from, to uint64) {
	b.add(account{}, op{nr: opCopy32, args: [6]uint64{from, to}})
}

func (b *builder) least(word, other uint64) {
	b.add(account{}, op{nr: opLeast, args: [6]uint64{word, other}})
}

// failWith ends the list with the errno at an address.
func (b *builder) failWith(why account, errno uint64) {
	b.add(why, op{nr: opFail, args: [6]uint64{errno}})
}

// bytes keeps data, aligned to a word, and returns its address. A word may be read at its end.
func (b *builder) bytes(p []byte) uint64 {
	b.data = append(b.data, make([]byte, -len(b.data)&7)...)
	at := dataBase + uint64(len(b.data))
	b.data = append(append(b.data, p...), make([]byte, 8)...)
	return at
}

// text keeps a string with a NUL behind it.
func (b *builder) text(s string) uint64 { return b.bytes([]byte(s + "\x00")) }

// words keeps a list of words.
func (b *builder) words(w ...uint64) uint64 {
	if len(w) == 0 {
		return b.bytes(nil)
	}
	return b.bytes(unsafe.Slice((*byte)(unsafe.Pointer(&w[0])), 8*len(w)))
}

// record keeps a value of the kernel's, which has no pointers of ours.
func record[T any](b *builder, v *T) uint64 {
	return b.bytes(unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v)))
}

// room reserves bytes that are zero.
func (b *builder) room(n uint64) uint64 {
	at := spaceBase + b.space
	b.space += (n + 15) &^ 7 // a word may be read at its end
	return at
}

// explain turns the account of a failed image into a failure.
func (b *builder) explain(msg []byte) *launch.Failure {
	le := binary.NativeEndian
	if len(msg) != failedSize {
		return &launch.Failure{Stage: "init", Detail: "unreadable failure message"}
	}
	offset, errno, choice := le.Uint32(msg[atStep-atMessage:]), le.Uint32(msg[atCode-atMessage:]), le.Uint32(msg[atChoice-atMessage:])
	index := (int(offset) - ctxSize) / int(opSize)
	if index < 0 || index >= len(b.why) {
		return &launch.Failure{Stage: "init", Detail: "unreadable failure message"}
	}
	why := b.why[index]
	f := why.Failure
	f.Errno = syscall.Errno(errno)
	if d, ok := why.details[f.Errno]; ok {
		f.Detail = d
	}
	if why.choice && int(choice) < len(b.files) {
		f.Path = b.files[choice]
	}
	return &f
}
