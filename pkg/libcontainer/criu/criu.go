package criu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
	"golang.org/x/sys/unix"
)

// Program is the criu to run; the zero value is the one in $PATH.
type Program struct{ Path string }

// Event is a step that criu tells of while it works.
type Event struct {
	// Name is criu's word, such as "setup-namespaces", "post-restore" or "orphan-pts-master".
	Name string
	// PID is the restored root in the caller's pid namespace, where criu tells it; else 0.
	PID int
	// File came with the event, or is nil. The handler owns it.
	File *os.File
}

// Run carries out a request and returns, for Restore, the root's pid. handle is called for each
// event and may be nil; its error stops criu. started, if not nil, is called with the pid of the
// worker before the request is sent. Errors: ErrUnavailable when there is no criu, else what
// criu says, with the place of its log.
func (p Program) Run(ctx context.Context, kind Kind, o *Options, started func(pid int) error, handle func(Event) error) (int, error) {
	w, err := p.start(ctx, o.inherited())
	if err != nil {
		return 0, err
	}
	defer w.end()
	if started != nil {
		if err := started(w.cmd.Process.Pid); err != nil {
			return 0, err
		}
	}
	r, err := w.do(kind, o.encode(kind), handle)
	if err != nil {
		return 0, w.explain(kind, o, err)
	}
	return r.restored, nil
}

// Version asks criu for its version, like 31701 for 3.17.1.
func (p Program) Version(ctx context.Context) (int, error) {
	w, err := p.start(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer w.end()
	var m message
	m.number(1, int64(version))
	r, err := w.do(version, m, nil)
	if err != nil {
		return 0, err
	}
	return r.major*10000 + r.minor*100 + r.sublevel, nil
}

// worker is a running "criu swrk".
type worker struct {
	cmd    *exec.Cmd
	sock   *os.File
	stderr bytes.Buffer
	stop   func() bool
}

// start starts criu with its end of a socket and the files as descriptors 3 and up.
func (p Program) start(ctx context.Context, files []*os.File) (*worker, error) {
	path, err := p.find()
	if err != nil {
		return nil, err
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	theirs := os.NewFile(uintptr(fds[1]), "criu's socket")
	defer func() { _ = theirs.Close() }()
	_ = unix.SetNonblock(fds[0], true)
	w := &worker{sock: os.NewFile(uintptr(fds[0]), "criu socket")}
	w.cmd = exec.CommandContext(ctx, path, "swrk", fmt.Sprint(socketFD))
	w.cmd.ExtraFiles = append([]*os.File{theirs}, files...)
	w.cmd.Stderr = &limited{to: &w.stderr, left: maxStderr}
	w.cmd.WaitDelay = waitDelay
	if err := w.cmd.Start(); err != nil {
		_ = w.sock.Close()
		return nil, fmt.Errorf("start criu: %w", err)
	}
	w.stop = context.AfterFunc(ctx, func() { _ = w.sock.SetDeadline(time.Unix(1, 0)) })
	return w, nil
}

const (
	// maxStderr bounds what is kept of criu's own words on standard error.
	maxStderr = 16 << 10
	// maxMessage bounds a packet in bytes; criu's responses have a hundred or so.
	maxMessage = 64 << 10
	// waitDelay is how long restored processes may hold criu's standard error before it is let go.
	waitDelay = time.Second
)

// limited keeps the beginning and takes the rest without keeping it, so that nobody is blocked.
type limited struct {
	to   io.Writer
	left int
}

func (l *limited) Write(b []byte) (int, error) {
	n := len(b)
	if n > l.left {
		b = b[:l.left]
	}
	l.left -= len(b)
	_, _ = l.to.Write(b)
	return n, nil
}

// do sends a request and serves events until the response.
func (w *worker) do(kind Kind, m message, handle func(Event) error) (*response, error) {
	if _, err := w.sock.Write(m); err != nil {
		return nil, err
	}
	for {
		b, file, err := w.receive()
		if err != nil {
			return nil, err
		}
		r, err := decode(b)
		if err != nil {
			if file != nil {
				_ = file.Close()
			}
			return nil, err
		}
		if r.kind != notify {
			if file != nil {
				_ = file.Close()
			}
			return r, r.failure(kind)
		}
		if err := serve(handle, Event{r.script, r.pid, file}); err != nil {
			_, _ = w.sock.Write(answer(false))
			return nil, err
		}
		if _, err := w.sock.Write(answer(true)); err != nil {
			return nil, err
		}
	}
}

func serve(handle func(Event) error, e Event) error {
	if handle != nil {
		return handle(e)
	}
	if e.File != nil {
		return e.File.Close()
	}
	return nil
}

// failure is the error that a response tells, or nil.
func (r *response) failure(asked Kind) error {
	if r.success && r.kind == asked {
		return nil
	}
	switch {
	case r.text != "":
		return errors.New(strings.TrimSpace(r.text))
	case r.errno != 0:
		return unix.Errno(r.errno)
	}
	return fmt.Errorf("criu refused (answer %d to %d)", r.kind, asked)
}

// receive reads one packet, and a descriptor that comes with it.
func (w *worker) receive() ([]byte, *os.File, error) {
	raw, err := w.sock.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	buf, oob := make([]byte, maxMessage), make([]byte, unix.CmsgSpace(4))
	var n, oobn int
	var rerr error
	err = raw.Read(func(fd uintptr) bool {
		n, oobn, _, _, rerr = unix.Recvmsg(int(fd), buf, oob, unix.MSG_CMSG_CLOEXEC)
		return rerr != unix.EAGAIN
	})
	if err = errors.Join(err, rerr); err != nil {
		return nil, nil, err
	}
	if n == 0 {
		return nil, nil, io.EOF
	}
	var file *os.File
	if msgs, err := unix.ParseSocketControlMessage(oob[:oobn]); err == nil && len(msgs) == 1 {
		if fds, err := unix.ParseUnixRights(&msgs[0]); err == nil && len(fds) == 1 {
			file = os.NewFile(uintptr(fds[0]), "criu's descriptor")
		}
	}
	return buf[:n], file, nil
}

// end ends the worker; after a response it ends by itself.
func (w *worker) end() {
	_ = w.sock.Close()
	w.stop()
	_ = w.cmd.Wait()
}

// explain completes an error with what criu said last, on standard error or in its log, and with where
// the log is.
func (w *worker) explain(kind Kind, o *Options, err error) error {
	w.end()
	var known *errdefs.Error
	if errors.As(err, &known) {
		return err // the handler's
	}
	op := map[Kind]string{Dump: "checkpoint", PreDump: "pre-dump", Restore: "restore"}[kind]
	if errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE) {
		err = errors.New("criu went away")
		if line := lastLine(w.stderr.String(), ""); line != "" {
			err = errors.New(line)
		}
	}
	if line := o.lastError(); strings.Contains(line, selinuxMissing) {
		return errNoSELinux()
	} else if line != "" {
		err = fmt.Errorf("%w: %s", err, line)
	}
	e := &errdefs.Error{Op: op, Kind: "by", Name: "criu", Class: errdefs.ErrUnavailable, Cause: err}
	if o.Work != nil && o.LogFile != "" {
		e.Hint = fmt.Sprintf("see %s/%s", o.Work.Name(), o.LogFile)
	}
	if o.Hint != "" {
		e.Hint = o.Hint
	}
	return e
}

// maxTail is how much of the end of a log is looked through, in bytes.
const maxTail = 64 << 10

// lastError is the last line of the log that tells an error, without its time.
func (o *Options) lastError() string {
	if o.Work == nil || o.LogFile == "" {
		return ""
	}
	fd, err := unix.Openat(int(o.Work.Fd()), o.LogFile, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	f := os.NewFile(uintptr(fd), o.LogFile)
	defer func() { _ = f.Close() }()
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return ""
	}
	from := max(0, st.Size()-maxTail)
	b, err := io.ReadAll(io.NewSectionReader(f, from, maxTail))
	if err != nil {
		return ""
	}
	line := lastLine(string(b), "Error (")
	if at := strings.Index(line, "Error ("); at > 0 {
		line = line[at:]
	}
	return line
}

// lastLine is the last line that has a word in it.
func lastLine(s, word string) string {
	last := ""
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" && strings.Contains(line, word) {
			last = line
		}
	}
	return last
}
