package direct

import (
	"syscall"
	"unsafe"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
)

// builder collects operations and what they refer to. Addresses are the image's.
type builder struct {
	ops     []op
	data    []byte
	space   uint64
	message byte
	socket  uint64
	pending []load
	// kept are texts and accounts by what they say, with where they are.
	texts    map[string]uint64
	accounts map[string]uint64
}

// account is what a failed operation is called: see launch.Account.
type account = launch.Account

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

// newBuilder makes an empty list with room for most: what grows is copied.
func newBuilder(message byte) *builder {
	return &builder{
		message: message, ops: make([]op, 0, 2048), data: make([]byte, 0, 64<<10),
		texts: make(map[string]uint64, 256), accounts: map[string]uint64{},
	}
}

func fail(stage, path string) account { return account{Stage: stage, Path: path} }

// do adds a system call. It ends the list when it fails, unless that is tolerated.
func (b *builder) do(why account, nr uintptr, args ...uint64) call {
	o := op{nr: int64(nr)}
	copy(o.args[:], args)
	for _, l := range b.pending {
		o.args[l.arg] = l.from
		o.nr |= opLoad << l.arg
	}
	b.pending = b.pending[:0]
	return b.add(why, o)
}

// keep returns the address of a struct iovec with an account.
func (b *builder) keep(why account) uint64 {
	if why.Stage == "" {
		return 0
	}
	text := why.Encode()
	at, ok := b.accounts[text]
	if !ok {
		at = b.words(b.bytes([]byte(text)), uint64(len(text)))
		b.accounts[text] = at
	}
	return at
}

// with makes the word at an address an argument of the next call.
func (b *builder) with(arg int, word uint64) *builder {
	b.pending = append(b.pending, load{arg, word})
	return b
}

func (b *builder) add(why account, o op) call {
	o.account = b.keep(why)
	b.ops = append(b.ops, o)
	return call{b, len(b.ops) - 1}
}

// accountWord is the address of the word that leads to the account of an operation.
func (c call) accountWord() uint64 {
	return addressOf(c.index) + uint64(unsafe.Offsetof(op{}.account))
}

// into stores the call's result in a word.
func (c call) into(word uint64) call {
	c.b.ops[c.index].save = word
	return c
}

// orElse goes on elsewhere after an errno; without one, after any.
func (c call) orElse(to *label, errnos ...syscall.Errno) call {
	c.allow(errnos)
	c.b.refer(c.index, to)
	return c
}

// tolerate goes on with the next operation after an errno; without one, after any.
func (c call) tolerate(errnos ...syscall.Errno) call {
	c.allow(errnos).alt = addressOf(c.index + 1)
	return c
}

// again makes the call anew when a signal broke it off, and after the errnos.
func (c call) again(errnos ...syscall.Errno) call {
	c.allow(append(errnos, syscall.EINTR)).alt = addressOf(c.index)
	return c
}

// allow says which errnos do not end the list; none is all.
func (c call) allow(errnos []syscall.Errno) *op {
	o := &c.b.ops[c.index]
	if len(errnos) == 0 {
		o.errs = anyErrno
	}
	for i, e := range errnos {
		o.errs |= uint64(e) << (16 * i)
	}
	return o
}

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

// except goes elsewhere if the word at an address, masked, is the value.
func (b *builder) except(word, mask, value uint64, to *label) {
	c := b.add(account{}, op{nr: opExcept, args: [6]uint64{word, mask, value}})
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
func (b *builder) failWith(why account, errno uint64) call {
	return b.add(why, op{nr: opFail, args: [6]uint64{errno}})
}

// bytes keeps data, aligned to a word, and returns its address. A word may be read at its end.
func (b *builder) bytes(p []byte) uint64 {
	b.data = append(b.data, "\x00\x00\x00\x00\x00\x00\x00"[:-len(b.data)&7]...)
	at := dataBase + uint64(len(b.data))
	b.data = append(append(b.data, p...), "\x00\x00\x00\x00\x00\x00\x00\x00"...)
	return at
}

// text keeps a string with a NUL behind it.
func (b *builder) text(s string) uint64 {
	at, ok := b.texts[s]
	if !ok {
		at = b.bytes([]byte(s + "\x00"))
		b.texts[s] = at
	}
	return at
}

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
