package server

import (
	"errors"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/monitor"
	"github.com/manager-project/manager/pkg/pack"
)

var errHandOver = errors.New("unexpected packet in the hand-over")

// receiveSetup reads what the owner hands over on fd, a blocking socket. Nothing else runs
// in the monitor at that time, and the owner's end of the connection ends it.
func receiveSetup(fd int) (monitor.Setup, launch.Request, error) {
	var (
		s    monitor.Setup
		none launch.Request
	)
	r := setupReader{fd: fd, buf: make([]byte, monitor.MaxPacket)}
	defer func() { r.closeFiles() }()
	m, err := r.packet()
	if err != nil {
		return s, none, err
	}
	if m.Kind != monitor.KindSetup {
		return s, none, errHandOver
	}
	header, err := r.bytes(int(m.Setup.Header))
	if err != nil {
		return s, none, err
	}
	plan, err := r.bytes(int(m.Setup.Plan))
	if err != nil {
		return s, none, err
	}
	for len(r.files) < int(m.Setup.Files) {
		if p, err := r.packet(); err != nil || p.Kind != monitor.KindFiles {
			return s, none, errors.Join(errHandOver, err)
		}
	}
	if err := pack.Unmarshal(header, &s); err != nil {
		return s, none, err
	}
	req, err := s.Request(plan, r.files)
	if err != nil {
		return s, none, err
	}
	r.files = nil
	return s, req, nil
}

type setupReader struct {
	fd    int
	buf   []byte
	files []*os.File
}

func (r *setupReader) packet() (monitor.Message, error) {
	var oob [2048]byte // room for the rights of MaxFilesPerPacket descriptors
	for {
		n, oobn, flags, _, err := unix.Recvmsg(r.fd, r.buf, oob[:], unix.MSG_CMSG_CLOEXEC)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return monitor.Message{}, err
		}
		if err := r.keepRights(oob[:oobn]); err != nil {
			return monitor.Message{}, err
		}
		if n == 0 || flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
			return monitor.Message{}, errHandOver
		}
		return monitor.Decode(r.buf[:n])
	}
}

func (r *setupReader) keepRights(oob []byte) error {
	if len(oob) == 0 {
		return nil
	}
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return err
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			continue
		}
		for _, fd := range fds {
			r.files = append(r.files, os.NewFile(uintptr(fd), "handed"))
		}
	}
	return nil
}

func (r *setupReader) bytes(n int) ([]byte, error) {
	b := make([]byte, 0, n)
	for len(b) < n {
		m, err := r.packet()
		if err != nil {
			return nil, err
		}
		if m.Kind != monitor.KindBlob || len(m.Data) == 0 || len(b)+len(m.Data) > n {
			return nil, errHandOver
		}
		b = append(b, m.Data...)
	}
	return slices.Clip(b), nil
}

func (r *setupReader) closeFiles() {
	for _, f := range r.files {
		_ = f.Close()
	}
}

// closeRequest closes what the init has got and the monitor does not need.
func closeRequest(r *launch.Request) {
	var join, image *os.File
	if r.Join != nil {
		join = r.Join.PIDFD
	}
	if r.Image != nil {
		image = r.Image.File
	}
	for _, list := range [][]*os.File{{r.Program, image, join, r.Cgroup}, r.Stdio[:], r.ExtraFiles, r.CgroupTasks, r.OpenFiles} {
		for _, f := range list {
			if f != nil {
				_ = f.Close()
			}
		}
	}
	*r = launch.Request{}
}
