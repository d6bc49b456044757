package libpod

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/pkg/selinux"
)

// relayed are the streams of a process that may not have the caller's own: SELinux takes files and pipes of the user's
// session away from a confined program as it is executed, and puts nothing in their place that says so. It gets pipes with
// its container's label, and what goes through them is copied.
type relayed struct {
	// theirs are the process's ends, to be closed when it has them.
	theirs [3]*os.File
	// outputs are copied to the end.
	outputs []*relay
	// input is our end of standard input, or nil.
	input *os.File
	from  io.Reader
}

// relay copies one stream.
type relay struct {
	from *os.File
	to   io.Writer
	done chan struct{}
}

// newRelayed makes the pipes for the streams that there are. in is nil for an empty standard input. After an error nothing
// is left of them.
func newRelayed(dir, label string, in io.Reader, out, errs io.Writer) (r *relayed, err error) {
	r = &relayed{from: in}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if in != nil {
		if r.theirs[0], r.input, err = labelledPipe(dir, label); err != nil {
			return r, err
		}
		// Its reader is used to wait, our end to be given up.
		if err := errors.Join(unix.SetNonblock(int(r.theirs[0].Fd()), false)); err != nil {
			return r, err
		}
	}
	for i, to := range []io.Writer{out, errs} {
		if to == nil {
			continue
		}
		ours, theirs, err := labelledPipe(dir, label)
		if err != nil {
			return r, err
		}
		r.theirs[1+i] = theirs
		r.outputs = append(r.outputs, &relay{from: ours, to: to, done: make(chan struct{})})
	}
	return r, nil
}

// labelledPipe makes a pipe with a label: one with a name, which is taken away at once, since others have that of their
// maker. The reading end does not wait.
func labelledPipe(dir, label string) (r, w *os.File, err error) {
	path := filepath.Join(dir, "pipe-"+define.NewID())
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return nil, nil, &os.PathError{Op: "make", Path: path, Err: err}
	}
	// Any user in the container may open /dev/stdout, which leads here.
	err = errors.Join(selinux.Set(path, label), os.Chmod(path, 0o666))
	if err == nil {
		r, err = os.OpenFile(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	}
	if err == nil {
		var fd int
		if fd, err = unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0); err == nil {
			w = os.NewFile(uintptr(fd), path)
		}
	}
	err = errors.Join(err, os.Remove(path))
	if err != nil {
		closeFiles([]*os.File{r, w})
		return nil, nil, fmt.Errorf("pipe with the label %s: %w", label, err)
	}
	return r, w, nil
}

// begin copies, once the process has its ends.
func (r *relayed) begin() {
	closeFiles(r.theirs[:])
	for _, o := range r.outputs {
		go func() {
			defer close(o.done)
			_, _ = io.Copy(o.to, o.from) // until the last writer has gone, or finish
		}()
	}
	if r.input != nil {
		go func() {
			_, _ = io.Copy(r.input, r.from)
			_ = r.input.Close()
		}()
	}
}

// finish passes on what the process left in the pipes when it ended. Others that have them go on without us.
func (r *relayed) finish() {
	for _, o := range r.outputs {
		_ = o.from.SetReadDeadline(time.Now())
		<-o.done
		_ = o.from.SetReadDeadline(time.Time{})
		o.drain()
		_ = o.from.Close()
	}
}

// drain copies what can be read without waiting.
func (o *relay) drain() {
	raw, err := o.from.SyscallConn()
	if err != nil {
		return
	}
	buf := make([]byte, 32<<10)
	for {
		var n int
		err := raw.Read(func(fd uintptr) bool {
			n, _ = unix.Read(int(fd), buf)
			return true
		})
		if err != nil || n <= 0 {
			return
		}
		if _, err := o.to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// close gives all up for a process that did not come to be.
func (r *relayed) close() {
	closeFiles(r.theirs[:])
	for _, o := range r.outputs {
		_ = o.from.Close()
	}
	if r.input != nil {
		_ = r.input.Close()
	}
}
