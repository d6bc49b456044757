package hook

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// maxOutput is how much of a hook's output goes into an error, in bytes; the end of it counts.
const maxOutput = 2 << 10

// feeder is a hook's standard input.
type feeder struct {
	ours, theirs *os.File
	data         []byte
}

func feed(data []byte) (*feeder, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	return &feeder{ours: w, theirs: r, data: data}, nil
}

// start writes in the background: a hook need not read.
func (f *feeder) start() {
	_ = f.theirs.Close()
	go func() {
		_, _ = f.ours.Write(f.data)
		_ = f.ours.Close()
	}()
}

// close ends a write that nobody reads.
func (f *feeder) close() { _, _ = f.ours.Close(), f.theirs.Close() }

// collector keeps the end of a hook's output.
type collector struct {
	ours, theirs *os.File
	kept         []byte
	done         chan struct{}
}

func collect() (*collector, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	return &collector{ours: r, theirs: w, done: make(chan struct{})}, nil
}

func (c *collector) start() {
	_ = c.theirs.Close()
	go func() {
		defer close(c.done)
		buf := make([]byte, 4<<10)
		for {
			n, err := c.ours.Read(buf)
			c.keep(buf[:n])
			if err != nil {
				return
			}
		}
	}()
}

func (c *collector) keep(b []byte) {
	c.kept = append(c.kept, b...)
	if len(c.kept) > maxOutput {
		c.kept = append(c.kept[:0], c.kept[len(c.kept)-maxOutput:]...)
	}
}

// finish returns what was written before the hook ended. What it left running may hold the pipe
// open for ever and is not waited for.
func (c *collector) finish() []byte {
	_ = c.ours.SetReadDeadline(time.Unix(1, 0))
	<-c.done
	_ = c.ours.SetReadDeadline(time.Time{})
	raw, err := c.ours.SyscallConn()
	if err != nil {
		return c.kept
	}
	buf := make([]byte, 64<<10) // a pipe holds no more
	_ = raw.Read(func(fd uintptr) bool {
		if n, err := unix.Read(int(fd), buf); err == nil && n > 0 {
			c.keep(buf[:n])
		}
		return true
	})
	return c.kept
}

func (c *collector) close() { _, _ = c.ours.Close(), c.theirs.Close() }
