package server

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/monitor"
)

// check is one run of a healthcheck's command. Its launch blocks and so runs beside the loop; the
// rest happens in it.
type check struct {
	h     *health
	cmd   *monitor.HealthCheck
	began time.Time
	// child is set once the launch has made it, launched when the command runs or has failed to.
	child    child
	launched bool
	// out is the reading end of its output, or -1; output the beginning of what came.
	out    int
	output []byte
	// timedOut says that its time is over; gone that nobody wants its outcome.
	timedOut, gone bool
	cancel         context.CancelFunc
}

// checkTimedOut is the exit code of a check that ran into its timeout, as Podman and Docker have it.
const checkTimedOut = -1

func (c *check) run() {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	req, theirs, err := c.request()
	if err != nil {
		c.finish(checkFailed(err))
		return
	}
	c.h.s.after(c.cmd.Timeout, c.expire)
	start := c.h.s.start
	if x := c.cmd.External; x != nil {
		start = probeStarter(x, c.h.s.child.PID())
	}
	s := c.h.s
	go func() {
		child, err := start(ctx, req)
		_ = theirs.Close()
		if err == nil {
			s.loop.post(func() { c.made(child) })
			_, err = child.Ready(ctx)
		}
		if err == nil {
			err = child.Exec()
		}
		s.loop.post(func() { c.onLaunched(err) })
	}()
}

// request is the launch of this check, with the pipe for its output.
func (c *check) request() (launch.Request, *os.File, error) {
	pair, err := c.h.s.pipe()
	if err != nil {
		return launch.Request{}, nil, err
	}
	theirs := os.NewFile(uintptr(pair[1]), "check-output")
	err = unix.SetNonblock(pair[0], true)
	if err == nil {
		err = c.h.s.loop.add(pair[0], unix.EPOLLIN, func(uint32) { c.read() })
	}
	if err != nil {
		_ = unix.Close(pair[0])
		_ = theirs.Close()
		return launch.Request{}, nil, err
	}
	c.out = pair[0]
	req := c.h.req
	req.Plan, req.Stdio = c.cmd.Plan, [3]*os.File{nil, theirs, theirs}
	if c.cmd.External == nil {
		init := c.h.s.child
		flags, err := launch.DifferingNamespaces(init.PID())
		if err != nil {
			_ = theirs.Close()
			return launch.Request{}, nil, err
		}
		req.Join = &launch.JoinTarget{PIDFD: init.PIDFD(), Flags: flags}
	}
	return req, theirs, nil
}

// made notes the child, which is to die if its time is over already.
func (c *check) made(ch child) {
	c.child = ch
	if c.timedOut || c.gone {
		c.kill()
	}
}

// read keeps the beginning of the output and throws the rest away, so that the command is never held up.
func (c *check) read() {
	buf := c.h.s.buf.get()
	n, err := unix.Read(c.out, buf)
	if err == unix.EAGAIN || err == unix.EINTR {
		return
	}
	if n <= 0 || err != nil {
		c.closeOutput()
		return
	}
	c.output = append(c.output, buf[:min(n, max(0, c.h.s.cfg.Health.MaxOutput-len(c.output)))]...)
}

func (c *check) closeOutput() {
	if c.out >= 0 {
		c.h.s.loop.remove(c.out)
		_ = unix.Close(c.out)
		c.out = -1
	}
}

// expire ends a check that takes too long. The time in which the container is paused does not count.
func (c *check) expire() {
	if c.h.running != c || c.gone {
		return
	}
	if c.h.s.frozen() {
		c.h.s.after(frozenPause, c.expire)
		return
	}
	c.timedOut = true
	c.kill()
	if !c.launched {
		c.cancel()
	}
}

// kill ends the command with what it has started in its session. It is not reaped yet, so the group is its own.
func (c *check) kill() {
	if c.child == nil {
		return
	}
	if pid := c.child.PID(); pid > 1 {
		_ = unix.Kill(-pid, unix.SIGKILL)
	}
	_ = c.child.Signal(unix.SIGKILL)
}

// abandon ends a check whose container has ended; its outcome means nothing.
func (c *check) abandon() {
	c.gone = true
	c.kill()
	c.cancel()
	c.closeOutput()
}

// onLaunched is the outcome of the launch: the command runs, or why not.
func (c *check) onLaunched(err error) {
	c.launched = true
	if err != nil {
		c.finish(checkFailed(err))
		return
	}
	if c.gone {
		c.kill()
	}
	fd := int(c.child.PIDFD().Fd())
	exited := func() {
		st, err := c.child.Wait()
		if err != nil {
			st.Code = 1
		}
		c.finish(checkOutcome{code: st.Code})
	}
	if err := c.h.s.loop.add(fd, unix.EPOLLIN, func(uint32) { c.h.s.loop.remove(fd); exited() }); err != nil {
		c.kill()
		exited()
	}
}

// checkFailed is the outcome of a check that could not be run.
func checkFailed(err error) checkOutcome {
	o := checkOutcome{code: 125, output: []byte(err.Error())}
	var f *launch.Failure
	if errors.As(err, &f) {
		o.code = f.ExitCode()
	}
	return o
}

// finish reports the outcome, with the output that is there; what else holds the pipe is not waited for.
func (c *check) finish(o checkOutcome) {
	for c.out >= 0 {
		before := len(c.output)
		if c.read(); len(c.output) == before {
			break
		}
	}
	c.closeOutput()
	c.cancel()
	if c.child != nil {
		_ = c.child.Close()
	}
	if c.h.s.abandoned == c {
		c.h.s.abandoned = nil
	}
	if c.gone || c.h.over {
		return
	}
	o.start, o.end = c.began, time.Now()
	o.output = append(c.output, o.output...)
	if c.timedOut {
		o.code = checkTimedOut
		o.output = []byte("it did not end within " + c.cmd.Timeout.String())
		if len(c.output) > 0 {
			o.output = append(append(o.output, ": "...), c.output...)
		}
	}
	c.h.done(o)
}

// keepRequest takes copies of the launch's program and cgroup.
func (h *health) keepRequest(req *launch.Request) error {
	h.req.Detached = true
	for _, f := range []struct {
		to   **os.File
		from *os.File
	}{{&h.req.Program, req.Program}, {&h.req.Cgroup, req.Cgroup}} {
		if f.from == nil {
			continue
		}
		var err error
		if *f.to, err = dupFile(f.from); err != nil {
			return err
		}
	}
	for _, f := range req.CgroupTasks {
		g, err := dupFile(f)
		if err != nil {
			return err
		}
		h.req.CgroupTasks = append(h.req.CgroupTasks, g)
	}
	return nil
}

func dupFile(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// closeRequest closes them, unless a launch under way still reads them: then the process's end does.
func (h *health) closeRequest() {
	if h.running == nil || h.running.launched {
		closeRequest(&h.req)
	}
}
