package launch

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/fault"
)

// RoleInit is the first argument of the program when it is to carry out a plan; the second
// is the number of extra files, the third that of open files. Its descriptors are then: 0 to 2 stdio, the extra files, the
// socket to the parent, the plan, and the open files, without gaps.
const RoleInit = "init"

// Start clones the child and returns once it executes its program; see Child for what follows.
// When ctx ends before that, the child is killed. The request's files stay the caller's and may
// be closed when Start has returned. Errors are *Failure where the kernel refused a step.
//
// The caller must not reap children it does not know (wait4(-1)) while Start runs.
func Start(ctx context.Context, req Request) (*Child, error) {
	if req.Image != nil && req.Join == nil {
		child, err := start(ctx, req)
		if err == nil || ctx.Err() != nil || req.Plan == nil {
			return child, err
		}
		// Nothing is left of it but directories to mount on.
		req.Image = nil
	}
	return start(ctx, req)
}

func start(ctx context.Context, req Request) (*Child, error) {
	if req.Image != nil && req.Image.Tasks != len(req.CgroupTasks) {
		return nil, ErrImage
	}
	s, err := prepare(&req)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if req.Image != nil {
		return s.runImage(ctx)
	}
	return s.run(ctx)
}

// starting holds what lives only during Start.
type starting struct {
	req       *Request
	spec      forkSpec
	program   *os.File // the small program, protected
	sock      *os.File // our end
	peer      *os.File // the child's end
	temporary []*os.File
	gate      *os.File // write end
	status    *os.File // read end
}

func (s *starting) close() {
	for _, f := range s.temporary {
		_ = f.Close()
	}
	if s.sock != nil {
		_ = s.sock.Close()
	}
}

func prepare(req *Request) (_ *starting, err error) {
	s := &starting{req: req}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if req.Image == nil {
		if err := s.openChannels(); err != nil {
			return nil, err
		}
	}
	if err := s.layout(); err != nil {
		return nil, err
	}
	if req.Image != nil {
		if req.Join == nil {
			s.namespaces()
		}
		return s, nil
	}
	program, err := protect(req.Program)
	if err != nil {
		return nil, fmt.Errorf("protect program: %w", err)
	}
	s.temporary = append(s.temporary, program)
	s.program = program
	s.spec.program = int(program.Fd())
	s.namespaces()
	if s.spec.argv, err = syscall.SlicePtrFromStrings(s.argv()); err != nil {
		return nil, err
	}
	// The whole environment of the small program is empty: nothing of the caller's leaks into it.
	if s.spec.envv, err = syscall.SlicePtrFromStrings(fault.Environ()); err != nil {
		return nil, err
	}
	s.spec.empty = new(byte)
	return s, nil
}

// argv are the small program's arguments.
func (s *starting) argv() []string {
	return []string{"manager-monitor", RoleInit, strconv.Itoa(len(s.req.ExtraFiles)), strconv.Itoa(len(s.req.OpenFiles))}
}

// openChannels makes the status and gate pipes.
func (s *starting) openChannels() error {
	var st, gate [2]int
	if err := unix.Pipe2(st[:], unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("status pipe: %w", err)
	}
	if err := unix.Pipe2(gate[:], unix.O_CLOEXEC); err != nil {
		_ = unix.Close(st[0])
		_ = unix.Close(st[1])
		return fmt.Errorf("gate pipe: %w", err)
	}
	_ = unix.SetNonblock(st[0], true)
	s.status = os.NewFile(uintptr(st[0]), "status")
	s.gate = os.NewFile(uintptr(gate[1]), "gate")
	s.spec.status, s.spec.gate = st[1], gate[0]
	s.temporary = append(s.temporary, s.status, s.gate, os.NewFile(uintptr(gate[0]), "gate"))
	return nil
}

// layout decides the child's descriptors.
func (s *starting) layout() error {
	for i, f := range s.req.Stdio {
		if f == nil {
			null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
			if err != nil {
				return err
			}
			s.temporary = append(s.temporary, null)
			f = null
		}
		s.req.Stdio[i] = f
		s.spec.fds = append(s.spec.fds, int(f.Fd()))
	}
	for _, f := range s.req.ExtraFiles {
		s.spec.fds = append(s.spec.fds, int(f.Fd()))
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket pair: %w", err)
	}
	_ = unix.SetNonblock(pair[0], true)
	s.sock = os.NewFile(uintptr(pair[0]), "init socket")
	s.peer = os.NewFile(uintptr(pair[1]), "child socket")
	s.temporary = append(s.temporary, s.peer)
	if s.req.Image != nil {
		s.spec.fds = append(s.spec.fds, pair[1])
		if s.req.Join != nil {
			s.spec.fds = append(s.spec.fds, int(s.req.Join.PIDFD.Fd()))
		}
		for _, f := range s.req.CgroupTasks {
			s.spec.fds = append(s.spec.fds, int(f.Fd()))
		}
		for _, n := range s.req.Enter {
			s.spec.fds = append(s.spec.fds, int(s.req.OpenFiles[n.Index].Fd()))
		}
		return nil
	}
	plan, err := planFile(s.req.Plan)
	if err != nil {
		return err
	}
	s.temporary = append(s.temporary, plan)
	s.spec.fds = append(s.spec.fds, pair[1], int(plan.Fd()))
	for _, f := range s.req.OpenFiles {
		s.spec.fds = append(s.spec.fds, int(f.Fd()))
	}
	s.spec.scratch = make([]int, len(s.spec.fds))
	return nil
}

func planFile(b []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("plan", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("plan memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), "plan")
	if _, err := f.Write(b); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("plan memory: %w", err)
	}
	return f, nil
}

// namespaces decides the clones and joins.
func (s *starting) namespaces() {
	req, spec := s.req, &s.spec
	make := req.CloneFlags
	if make&unix.CLONE_NEWCGROUP != 0 {
		make &^= unix.CLONE_NEWCGROUP
		spec.cgroupNS = true
	}
	if make&unix.CLONE_NEWTIME != 0 {
		make &^= unix.CLONE_NEWTIME // unshared, since only a later child lives in it
		spec.timeNS = true
		spec.offsets, spec.offsetsAt = []byte(req.TimeOffsets), []byte("/proc/self/timens_offsets\x00")
	}
	spec.cgroupFD = -1
	if req.Cgroup != nil {
		spec.cgroupFD = int(req.Cgroup.Fd())
	}
	newUser := make&unix.CLONE_NEWUSER != 0
	spec.gateMaps = newUser
	spec.beRoot, spec.rootUID, spec.rootGID = newUser, rootOf(req.UIDMap), rootOf(req.GIDMap)
	spec.session, spec.groups = req.Detached, req.KeepGroups
	if j := req.Join; j != nil {
		fd := int(j.PIDFD.Fd())
		for _, flags := range []uintptr{j.Flags & unix.CLONE_NEWUSER, j.Flags &^ (unix.CLONE_NEWUSER | unix.CLONE_NEWTIME), j.Flags & unix.CLONE_NEWTIME} {
			if flags != 0 {
				spec.joins = append(spec.joins, setnsCall{fd: fd, flags: flags})
			}
		}
	}
	for _, n := range req.Enter {
		if req.Image != nil {
			break // it joins them itself
		}
		spec.joins = append(spec.joins, setnsCall{fd: int(req.OpenFiles[n.Index].Fd()), flags: n.Flag})
	}
	spec.orderTime()
	if len(spec.joins) > 0 || spec.timeNS {
		spec.second, spec.flags2 = true, make
	} else {
		spec.flags = make
	}
}

// rootOf is the id of a user namespace whom the init is while it makes the container: 0, or the smallest one.
func rootOf(maps []IDMap) uintptr {
	root := ^uint32(0)
	for _, m := range maps {
		root = min(root, m.Inside)
	}
	if len(maps) == 0 {
		return 0
	}
	return uintptr(root)
}

// orderTime tries to join a time namespace before a user namespace as well as after it: which of the two
// is allowed depends on who made it. Ours are made before the user namespace.
func (s *forkSpec) orderTime() {
	for _, j := range s.joins {
		s.beRoot = s.beRoot || j.flags == unix.CLONE_NEWUSER
	}
	for _, j := range s.joins {
		if s.beRoot && j.flags == unix.CLONE_NEWTIME {
			j.early = true
			s.joins = append([]setnsCall{j}, s.joins...)
			return
		}
	}
}
