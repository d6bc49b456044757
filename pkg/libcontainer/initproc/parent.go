package initproc

import (
	"encoding/json"
	"errors"
	"os"
	"syscall"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"golang.org/x/sys/unix"
)

// parent is the socket to the process that launched us; see the messages of package launch.
type parent struct{ fd int }

func (p *parent) send(msg []byte) error {
	for {
		_, err := unix.Write(p.fd, msg)
		if err != unix.EINTR {
			return err
		}
	}
}

// sendConsole hands the pseudo-terminal's master over.
func (p *parent) sendConsole(master int) error {
	return unix.Sendmsg(p.fd, []byte{launch.MsgConsole}, unix.UnixRights(master), nil, 0)
}

// barrier reports readiness and waits for the word to execute the program. If the parent leaves
// that word to somebody else, find is called first and its failure told to the parent.
func (p *parent) barrier(find func() *launch.Failure) *launch.Failure {
	if err := p.send([]byte{launch.MsgReady}); err != nil {
		return failure("barrier", "", err)
	}
	for {
		msg, fd, err := p.receive()
		switch {
		case err != nil:
			return failure("barrier", "", err)
		case msg == launch.MsgGo:
			return nil
		case msg == launch.MsgPark && fd >= 0:
			if f := find(); f != nil {
				return f
			}
			if err := p.park(fd); err != nil {
				return failure("barrier", "", err)
			}
		}
	}
}

// ask sends a message and waits for its answer.
func (p *parent) ask(question, answer byte) error {
	if err := p.send([]byte{question}); err != nil {
		return err
	}
	return p.await(answer)
}

// await waits for a message.
func (p *parent) await(answer byte) error {
	for {
		msg, _, err := p.receive()
		if err != nil || msg == answer {
			return err
		}
	}
}

// receive reads a message's first byte, and its descriptor or -1.
func (p *parent) receive() (msg byte, fd int, err error) {
	var b [1]byte
	var oob [32]byte // more than CmsgSpace(4)
	for {
		n, oobn, _, _, err := unix.Recvmsg(p.fd, b[:], oob[:], unix.MSG_CMSG_CLOEXEC)
		if err == unix.EINTR {
			continue
		}
		if err != nil && err != unix.ECONNRESET {
			return 0, -1, err
		}
		if n <= 0 || err != nil {
			os.Exit(exitFailed) // the parent is gone: nobody wants this container
		}
		fd := -1
		if msgs, err := unix.ParseSocketControlMessage(oob[:oobn]); err == nil && len(msgs) == 1 {
			if fds, err := unix.ParseUnixRights(&msgs[0]); err == nil && len(fds) == 1 {
				fd = fds[0]
			}
		}
		return b[0], fd, nil
	}
}

// park replaces the connection to the parent by the first one that the listener accepts.
func (p *parent) park(listener int) error {
	if err := p.send([]byte{launch.MsgParked}); err != nil {
		return err
	}
	_ = unix.Close(p.fd)
	for {
		fd, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
		if err == unix.EINTR || err == unix.ECONNABORTED {
			continue
		}
		if err != nil {
			return err
		}
		p.fd = fd
		return unix.Close(listener)
	}
}

func (p *parent) fail(f *launch.Failure) {
	b, err := json.Marshal(f)
	if err == nil {
		_ = p.send(append([]byte{launch.MsgFailure}, b...))
	}
}

// failure makes the account of a failed step. A nil err gives nil.
func failure(stage, path string, err error) *launch.Failure {
	if err == nil {
		return nil
	}
	var f *launch.Failure
	if errors.As(err, &f) {
		return f
	}
	f = &launch.Failure{Stage: stage, Path: path}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		f.Errno = errno
	}
	var pe *os.PathError
	if f.Errno == 0 {
		f.Detail = err.Error()
	} else if errors.As(err, &pe) && f.Path == "" {
		f.Path = pe.Path
	}
	return f
}

// explain makes the account of a failed step with a text that says more than the errno.
func explain(stage, path string, errno syscall.Errno, detail string) *launch.Failure {
	return &launch.Failure{Stage: stage, Path: path, Errno: errno, Detail: detail}
}
