package server

import (
	"context"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/monitor"
)

// Main is the monitor role of manager-monitor. It finds its owner's connection on
// monitor.OwnerFD, takes no arguments, and returns the exit code.
func Main(args []string) int {
	return runMain(args, startChild)
}

func runMain(args []string, start starter) int {
	if len(args) != 0 {
		return complain("the monitor takes no arguments")
	}
	// The first collection comes at 1 MiB of heap instead of 4. A start needs half of that, and
	// a monitor that never collects is smallest: the collector itself takes 600 kB.
	debug.SetGCPercent(25)
	unix.CloseOnExec(monitor.OwnerFD)
	closeInherited()
	setup, req, err := receiveSetup(monitor.OwnerFD)
	if err != nil {
		return complain("hand-over: " + err.Error())
	}
	fault.Point("monitor: set up")
	if setup.External != nil {
		start = externalStarter(&setup)
	}
	s, err := newServer(setup.Config)
	if err == nil {
		s.external = setup.External
		err = s.run(req, start)
	}
	if err != nil {
		return complain(err.Error())
	}
	return s.code
}

// closeInherited closes what our starter had open by accident: it would stay open as long as
// the container lives. Go's own descriptors, and those handed over later, are close-on-exec; what
// was inherited cannot be.
func closeInherited() {
	d, err := os.Open("/proc/self/fd")
	if err != nil {
		return
	}
	defer func() { _ = d.Close() }()
	names, _ := d.Readdirnames(-1)
	for _, name := range names {
		fd, err := strconv.Atoi(name)
		if err != nil || fd <= monitor.OwnerFD {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			_ = unix.Close(fd)
		}
	}
}

// complain leaves a line in the run directory, where Session looks for it.
func complain(text string) int {
	_, _ = io.WriteString(os.Stderr, text+"\n")
	return 1
}

// run is the monitor's life.
func (s *server) run(req launch.Request, start starter) error {
	if err := unix.SetNonblock(monitor.OwnerFD, true); err != nil {
		return err
	}
	c := s.addClient(monitor.OwnerFD)
	if c == nil {
		return os.ErrInvalid
	}
	c.owner = true
	s.owner = c
	if err := s.prepare(req, start); err != nil {
		s.fail(failure("monitor", "", err))
	}
	if err := s.loop.run(); err != nil {
		return err
	}
	if !s.aborted && !s.cleaned && !s.restart.due { // a restart that is due begins with a clean-up
		s.callCleanup()
		fault.Point("monitor: clean-up called")
	}
	s.carryOut()
	return nil
}

// prepare starts the init and everything that serves it.
func (s *server) prepare(req launch.Request, start starter) error {
	defer closeRequest(&req)
	s.start = start
	var err error
	if s.lock, err = lockRunDir(s.cfg.RunDir); err != nil {
		s.cleaned = true // if another monitor has the container, it is not ours to clean up
		return err
	}
	fault.Point("monitor: locked")
	theirs, err := s.makeStdio(&req)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancelReady = cancel
	if err := s.prepareHealth(&req); err != nil {
		cancel()
		return err
	}
	if s.child, err = s.start(ctx, req); err != nil {
		cancel()
		return err
	}
	fault.Point("monitor: cloned")
	for _, f := range theirs {
		_ = f.Close()
	}
	go func() {
		console, err := s.child.Ready(ctx)
		cancel()
		s.loop.post(func() { s.onReady(console, err) })
	}()
	// The init works from here on; what follows costs the start nothing.
	s.makeSpare()
	if s.log, err = openLog(&s.cfg, s.buf, s.after, s.lost); err != nil {
		s.log = noLog{}
		s.refuse(failure("log", s.cfg.Log.Path, err))
		return nil
	}
	fault.Point("monitor: log opened")
	if s.listener, err = listen(s.cfg.RunDir); err != nil {
		s.refuse(failure("monitor", "", err))
		return nil
	}
	fault.Point("monitor: listens")
	if err := s.openNotify(); err != nil {
		s.refuse(failure("notify", "", err))
		return nil
	}
	s.watchOOM()
	s.becomeMonitor(req.Hooks != nil)
	err = s.loop.add(s.listener, unix.EPOLLIN, func(uint32) { s.accept() })
	if err == nil && !s.runsAlready() {
		err = s.watchOutput()
	}
	if err == nil {
		err = s.watchInput()
	}
	if err != nil {
		s.refuse(failure("monitor", "", err))
	}
	return nil
}

// becomeMonitor sets what the init must not inherit, so after it was cloned.
func (s *server) becomeMonitor(hooks bool) {
	unwanted := []os.Signal{unix.SIGHUP, unix.SIGQUIT, unix.SIGPIPE}
	if s.cfg.Stop != nil {
		s.catchStop()
	} else {
		unwanted = append(unwanted, unix.SIGINT, unix.SIGTERM)
	}
	if hooks || len(s.cfg.Poststart) > 0 {
		// A hook would inherit what is ignored, but not what is caught: nobody reads the channel.
		signal.Notify(make(chan os.Signal, 1), unwanted...)
	} else {
		signal.Ignore(unwanted...)
	}
	// For ps and top only; and the score is tried, never fatal.
	_ = os.WriteFile("/proc/self/comm", []byte("manager-monitor"), 0)
	if s.cfg.OOMScoreAdj != nil {
		_ = os.WriteFile("/proc/self/oom_score_adj", itoa(*s.cfg.OOMScoreAdj), 0)
	}
}
