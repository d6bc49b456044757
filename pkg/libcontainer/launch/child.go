package launch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer/passwd"
)

// The messages between child and parent, one packet each: the first byte, then for a
// failure its JSON. The console and the park carry one descriptor.
const (
	MsgConsole  = 'c' // child: the pseudo-terminal's master
	MsgHooks    = 'h' // child: namespaces and mounts are there, the parent's hooks may run
	MsgContinue = 'n' // parent: they have
	MsgReady    = 'r' // child: the plan is carried out
	MsgGo       = 'g' // parent: execute the program
	MsgPark     = 'p' // parent: wait for MsgGo at the listening socket that comes with this
	MsgParked   = 'w' // child: it waits there, and this connection is over
	MsgListener = 'l' // child: the seccomp listener, a descriptor with it; answered by MsgContinue
	MsgExec     = 'x' // child: the next step is execve
	MsgFailure  = 'f' // child: a Failure; it exits after it
	MsgChild    = 'k' // image: the pid of the process that stays; this one exits after it
	MsgBuilt    = 'b' // image: the container is built; not for a join
	MsgUnable   = 'u' // image: a call that builds the container failed; it exits after it
	MsgStep     = 's' // image: a call that failed, with its errno and Account; it exits after it
)

// ReaperReport is an option of our own init (Plan.Process.Reaper), followed by the number of a descriptor. When
// the init hears signals and has started the program it closes that; when the program cannot be
// started it writes MsgFailure first. To the parent a start is then done, or fails, with the program's.
const ReaperReport = "--report="

// MaxMessage bounds a packet in bytes; a failure names at most a path or two.
const MaxMessage = 64 << 10

// Child is a process on its way to become the user's program, and that program afterwards.
// The order is Ready, Exec, Wait; Signal at any time; Close at the end. Wait may run
// concurrently with the others.
type Child struct {
	pid   int
	pidfd *os.File
	// started is StartTime if it was read while the child was at work; else 0.
	started uint64
	sock    *os.File
	hooks   *Hooks
	notify  *Notify
	image   *Image
	// home is the image's HOME, a NUL behind it; nil for none.
	home []byte
	// buf is what packets are received in, made for the first one.
	buf []byte
	// tick is when receive looks next whether the child is alive; zero for no deadline yet.
	tick time.Time
	// early are packets that came before it was known whose they are.
	early []packet
	// foreign says that the process is another's child: see Adopt.
	foreign bool

	waiting sync.Mutex // held by who waits for the end
	mu      sync.Mutex // held for moments: around the reaping and what must not meet it
	reaped  bool
	status  ExitStatus
	err     error
}

// PID is the process id in the caller's pid namespace.
func (c *Child) PID() int { return c.pid }

// PIDFD is the process's descriptor. The Child keeps ownership.
func (c *Child) PIDFD() *os.File { return c.pidfd }

// StartTime is field 22 of /proc/PID/stat, clock ticks since boot. With the pid it names the
// process for ever. It fails when the process has been reaped.
func (c *Child) StartTime() (uint64, error) {
	if c.started != 0 {
		return c.started, nil
	}
	return StartTime(c.pid)
}

// StartTime is field 22 of a process's stat file, clock ticks since boot. It fails when there is no
// such process.
func StartTime(pid int) (uint64, error) {
	f, err := stat(pid)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(f[19], 10, 64)
}

// stat returns the fields of /proc/PID/stat from the third (state) on.
func stat(pid int) ([]string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	_, after, ok := strings.Cut(string(b[strings.LastIndexByte(string(b), ')'):]), ") ")
	f := strings.Fields(after)
	if !ok || len(f) < 20 {
		return nil, fmt.Errorf("process %d: unreadable stat", pid)
	}
	return f, nil
}

// Ready waits until the child has carried out its plan and waits at the barrier. It returns
// the pseudo-terminal's master, which is then the caller's, if the plan has a terminal. A child
// that failed or died is reaped; the error is then a *Failure.
func (c *Child) Ready(ctx context.Context) (console *os.File, err error) {
	defer func() {
		if err != nil && console != nil {
			_ = console.Close()
			console = nil
		}
	}()
	for {
		msg, file, err := c.receive(ctx)
		if err != nil {
			return console, c.gone("init", err)
		}
		switch msg[0] {
		case MsgConsole:
			if file == nil || console != nil {
				return console, c.gone("init", errors.New("console message without console"))
			}
			console = file
		case MsgHooks:
			if err := c.runHooks(ctx); err != nil {
				c.kill()
				return console, err
			}
		case MsgReady:
			c.findHome(file)
			return console, nil
		case MsgFailure, MsgStep:
			return console, c.failed(msg)
		default:
			return console, c.gone("init", fmt.Errorf("unknown message %q", msg[0]))
		}
	}
}

// Exec lets the child execute the user's program. Nil means that it did. A child that failed
// or died before is reaped; the error is then a *Failure.
func (c *Child) Exec() error {
	if c.sock == nil {
		return &Failure{Stage: "init", Detail: "waits for another starter"}
	}
	if _, err := c.sock.Write(append([]byte{MsgGo}, c.home...)); err != nil {
		return c.gone(StageExec, io.EOF)
	}
	executing := false
	for {
		msg, file, err := c.receive(noContext)
		switch {
		case errors.Is(err, io.EOF) && executing:
			c.buf = nil
			return nil
		case err != nil:
			return c.gone(StageExec, err)
		case msg[0] == MsgExec:
			executing = true
		case msg[0] == MsgListener:
			if err := c.handListener(file); err != nil {
				c.kill()
				return err
			}
		case msg[0] == MsgFailure, msg[0] == MsgStep:
			return c.failed(msg)
		}
	}
}

// findHome looks HOME up for an image that sent the container's passwd file, or could not open it.
func (c *Child) findHome(file *os.File) {
	home := "/"
	if file != nil {
		defer func() { _ = file.Close() }()
	}
	if c.image == nil || !c.image.Home {
		return
	}
	if file != nil {
		home = passwd.Home(file, c.image.UID)
	}
	c.home = []byte("HOME=" + home + "\x00")
}

// noContext is for the steps of a child that is ready: what ends them is the child's end.
var noContext = context.Background()

// tick is how long a child that says nothing is taken to be alive.
const tick = 250 * time.Millisecond

// receive reads one packet, and watches for a child that can no longer send one: a seccomp filter
// can kill the one thread that talks and leave the others holding the socket.
func (c *Child) receive(ctx context.Context) ([]byte, *os.File, error) {
	if len(c.early) > 0 {
		first := c.early[0]
		c.early = c.early[1:]
		return first.msg, first.file, nil
	}
	dead := false
	for {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		if c.tick.IsZero() { // each change of a deadline may wake a thread
			c.tick = time.Now().Add(tick)
			_ = c.sock.SetReadDeadline(c.tick)
		}
		stop := context.AfterFunc(ctx, func() { _ = c.sock.SetReadDeadline(time.Unix(1, 0)) })
		if c.buf == nil {
			c.buf = make([]byte, MaxMessage)
		}
		msg, file, err := recvPacket(c.sock, c.buf)
		stop()
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return msg, file, err
		}
		c.tick = time.Time{}
		if dead {
			return nil, nil, errLeaderDead
		}
		// One that has just ended may have said why: what it sent is read first.
		f, err := stat(c.pid)
		dead = err == nil && f[0] == "Z"
	}
}

// packet is a message and its descriptor, or nil.
type packet struct {
	msg  []byte
	file *os.File
}

var errLeaderDead = errors.New("killed by its own seccomp filter or a signal")

// recvPacket receives a packet of up to len(buf) bytes. msg is a copy.
func recvPacket(sock *os.File, buf []byte) (msg []byte, file *os.File, err error) {
	raw, err := sock.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	oob := make([]byte, unix.CmsgSpace(4))
	var n, oobn int
	var rerr error
	err = raw.Read(func(fd uintptr) bool {
		n, oobn, _, _, rerr = unix.Recvmsg(int(fd), buf, oob, unix.MSG_CMSG_CLOEXEC)
		if rerr == unix.ECONNRESET {
			// It ended with something of ours unread. The kernel says so once, before what it had sent is read.
			n, oobn, _, _, rerr = unix.Recvmsg(int(fd), buf, oob, unix.MSG_CMSG_CLOEXEC)
		}
		return rerr != unix.EAGAIN
	})
	if err == nil {
		err = rerr
	}
	if err != nil {
		if errors.Is(err, unix.ECONNRESET) {
			err = io.EOF
		}
		return nil, nil, err
	}
	if n == 0 {
		return nil, nil, io.EOF
	}
	if oobn > 0 {
		if msgs, err := unix.ParseSocketControlMessage(oob[:oobn]); err == nil && len(msgs) == 1 {
			if fds, err := unix.ParseUnixRights(&msgs[0]); err == nil && len(fds) == 1 {
				file = os.NewFile(uintptr(fds[0]), "received")
			}
		}
	}
	return bytes.Clone(buf[:n]), file, nil
}

// failed decodes the child's own account of its failure and reaps it.
func (c *Child) failed(msg []byte) error {
	c.kill()
	if msg[0] == MsgStep {
		return DecodeStep(msg)
	}
	return decodeFailure(msg[1:])
}

// decodeFailure reads what follows MsgFailure.
func decodeFailure(b []byte) *Failure {
	f := &Failure{}
	if err := json.Unmarshal(b, f); err != nil {
		f = &Failure{Stage: "init", Detail: "unreadable failure message"}
	}
	return f
}

// AwaitReport reads what our own init says on a pipe that another runtime passed on to it (ReaperReport): nil when
// it has started the program, or is gone. A failure is a *Failure.
func AwaitReport(pipe io.Reader) error {
	b, err := io.ReadAll(io.LimitReader(pipe, MaxMessage))
	if err == nil && len(b) > 0 && b[0] == MsgFailure {
		return decodeFailure(b[1:])
	}
	return err
}

// gone reaps a child that went away, or misbehaved, without an account.
func (c *Child) gone(stage string, cause error) error {
	if errors.Is(cause, context.Canceled) || errors.Is(cause, context.DeadlineExceeded) {
		c.kill()
		return cause
	}
	silent := errors.Is(cause, io.EOF)
	if silent {
		st, err := c.Wait()
		switch {
		case errors.Is(err, errForeign):
			cause = errors.New("ended before the program started")
		case err != nil:
			cause = err
		case st.Signal != 0:
			cause = fmt.Errorf("killed by signal %d (%s) before the program started", int(st.Signal), st.Signal)
		default:
			cause = fmt.Errorf("exited with %d before the program started", st.Code)
		}
	} else {
		c.kill()
	}
	return &Failure{Stage: stage, Detail: cause.Error(), Silent: silent}
}

// kill ends the child and reaps it.
func (c *Child) kill() {
	_ = c.Signal(syscall.SIGKILL)
	_, _ = c.Wait()
}

// Wait reaps the process and says how it ended. Later calls give the same answer.
func (c *Child) Wait() (ExitStatus, error) {
	c.waiting.Lock()
	defer c.waiting.Unlock()
	if c.reaped {
		return c.status, c.err
	}
	if c.foreign {
		c.reaped = true
		c.err = errors.Join(errForeign, awaitEnd(c.pidfd))
		c.status.At = time.Now()
		return c.status, c.err
	}
	for unix.Waitid(unix.P_PID, c.pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status, c.err = WaitFor(c.pid)
	c.reaped = true
	return c.status, c.err
}

// WaitFor reaps a child of this process and says how it ended.
func WaitFor(pid int) (ExitStatus, error) {
	ws, err := wait4(pid)
	st := ExitStatus{At: time.Now()}
	switch {
	case err != nil:
		return st, fmt.Errorf("wait for process %d: %w", pid, err)
	case ws.Signaled():
		st.Signal = ws.Signal()
		st.Code = 128 + int(ws.Signal())
	default:
		st.Code = ws.ExitStatus()
	}
	return st, nil
}

// Signal sends a signal to the process through its descriptor, never to a reused pid.
// After its end the error is ESRCH.
func (c *Child) Signal(sig syscall.Signal) error {
	err := unix.PidfdSendSignal(int(c.pidfd.Fd()), sig, nil, 0)
	if err != unix.ENOSYS || c.foreign {
		return err
	}
	// A sandbox that hides the call. The pid is the child's until it is reaped.
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reaped {
		return unix.ESRCH
	}
	return unix.Kill(c.pid, sig)
}

// Close releases the descriptors; the process goes on.
func (c *Child) Close() error {
	err := c.pidfd.Close()
	if c.sock != nil {
		err = errors.Join(err, c.sock.Close())
	}
	return err
}
