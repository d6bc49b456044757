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

// barrier reports readiness and waits for the word to execute the program.
func (p *parent) barrier() error {
	return p.ask(launch.MsgReady, launch.MsgGo)
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
	var b [1]byte
	for {
		n, err := unix.Read(p.fd, b[:])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return err
		case n == 0:
			os.Exit(exitFailed) // the parent is gone: nobody wants this container
		case b[0] == answer:
			return nil
		}
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
