package launch

import (
	"context"
	"encoding/json"
	"os"
	"time"

	"github.com/manager-project/manager/pkg/libcontainer/plan"
	"golang.org/x/sys/unix"
)

// StageNotify is the stage of handing a seccomp listener over.
const StageNotify = "seccomp listener"

// Notify says who gets the listener of a seccomp filter with SCMP_ACT_NOTIFY.
// Source: OCI runtime-spec, config-linux.md, "Seccomp"; runtime-linux.md is silent on time limits.
type Notify struct {
	// Path is the receiver's Unix stream socket.
	Path string `json:"path"`
	// Metadata is passed on as it is.
	Metadata string `json:"metadata,omitempty"`
	// State is the container's, but for status and pid.
	State plan.State `json:"state"`
}

// processState is what the receiver is sent, with the listener. Source: OCI runtime-spec,
// config-linux.md, "The Container Process State".
type processState struct {
	Version  string     `json:"ociVersion"`
	FDs      []string   `json:"fds"`
	PID      int        `json:"pid"`
	Metadata string     `json:"metadata,omitempty"`
	State    plan.State `json:"state"`
}

// notifyTimeout bounds the connection to the receiver, which runs already.
const notifyTimeout = 10 * time.Second

// handListener answers MsgListener: it passes the listener on and lets the child go on.
func (c *Child) handListener(listener *os.File) error {
	if listener == nil || c.notify == nil {
		return &Failure{Stage: StageNotify, Detail: "the child sent what it should not"}
	}
	defer func() { _ = listener.Close() }()
	n := c.notify
	state := processState{
		Version: n.State.Version, FDs: []string{"seccompFd"}, PID: c.pid, Metadata: n.Metadata,
		State: n.State.With(plan.StatusCreated, c.pid),
	}
	b, err := json.Marshal(state)
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), notifyTimeout)
		err = sendState(ctx, n.Path, b, listener)
		cancel()
	}
	if err != nil {
		f := &Failure{Stage: StageNotify, Path: n.Path, Detail: err.Error()}
		return f
	}
	_, err = c.sock.Write([]byte{MsgContinue})
	return err
}

// sendState makes one connection for one state: the descriptor is in the first message.
func sendState(ctx context.Context, path string, state []byte, listener *os.File) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	deadline, _ := ctx.Deadline()
	left := unix.NsecToTimeval(time.Until(deadline).Nanoseconds())
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &left)
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return err
	}
	rights := unix.UnixRights(int(listener.Fd()))
	for len(state) > 0 {
		n, err := unix.SendmsgN(fd, state, rights, nil, unix.MSG_NOSIGNAL)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		state, rights = state[n:], nil
	}
	return nil
}
