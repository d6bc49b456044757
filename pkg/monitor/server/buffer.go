package server

import (
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/monitor"
)

// bufferSize holds a packet and is a multiple of every page size in use.
const bufferSize = 128 << 10

// buffer is the monitor's only large memory: one mapping for whatever is being read. It is given
// back to the kernel when nothing happened for a while, which Go's collector would do only
// after minutes.
type buffer struct {
	mem   []byte
	dirty bool
}

func newBuffer() (*buffer, error) {
	mem, err := unix.Mmap(-1, 0, bufferSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, err
	}
	return &buffer{mem: mem}, nil
}

// get is valid until the next get.
func (b *buffer) get() []byte {
	b.dirty = true
	return b.mem[:monitor.MaxPacket]
}

// scratch is the second half, for the log's formatting.
func (b *buffer) scratch() []byte {
	b.dirty = true
	return b.mem[bufferSize/2 : bufferSize/2 : bufferSize]
}

// release gives the memory back; the next get finds zeros.
func (b *buffer) release() {
	if b.dirty {
		_ = unix.Madvise(b.mem, unix.MADV_DONTNEED)
		b.dirty = false
	}
}
