package network

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"github.com/manager-project/manager/pkg/spec"
)

// HelperName is argv[0] of the process that publishes ports and, with the built-in driver, carries packets. The
// program with it linked in acts as the helper when it is started under this name.
const HelperName = "manager-network"

// HelperOrder is what the helper is told, as JSON on its standard input.
type HelperOrder struct {
	// Init is the process with which it ends.
	Init Process `json:"init"`
	// Stack says that it makes the interface and carries its packets too.
	Stack     bool      `json:"stack"`
	Addresses Addresses `json:"addresses"`
	// Ports are those to listen on.
	Ports []spec.Port `json:"ports,omitempty"`
}

// HelperAnswer is what it writes, as JSON on its standard output, before it goes on in the background.
type HelperAnswer struct {
	// Error says why it gave up; "" is success. Port is the one that it is about, or nil.
	Error string     `json:"error,omitempty"`
	Port  *spec.Port `json:"port,omitempty"`
	Errno int        `json:"errno,omitempty"`
}

// PortInUse says that a port of the host could not be had, though Check had found it free.
type PortInUse struct {
	Port  spec.Port
	Errno syscall.Errno
}

func (e *PortInUse) Error() string { return e.Port.String() + ": " + e.Errno.Error() }

// helper is the process while it waits for its order.
type helper struct {
	cmd *exec.Cmd
	// feed leads to its standard input, answers comes from its standard output.
	feed, answers *os.File
}

// startHelper starts it.
func startHelper(q *Request) (*helper, error) {
	program, err := q.Program()
	if err != nil {
		return nil, err
	}
	answers, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	in, feed, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, w.Close(), answers.Close())
	}
	h := &helper{feed: feed, answers: answers}
	// The words name the run directory: Teardown finds by them a helper that nobody has noted.
	h.cmd = &exec.Cmd{
		Path: program, Args: []string{HelperName, q.path(netnsFile)}, Dir: q.Dir, Stdin: in, Stdout: w,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	err = h.cmd.Start()
	_, _ = w.Close(), in.Close()
	if err != nil {
		_, _ = feed.Close(), answers.Close()
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	p, err := processOf(h.cmd.Process.Pid)
	if err == nil {
		err = q.note(p)
	}
	if err != nil {
		h.end()
		return nil, err
	}
	return h, nil
}

// serve gives it its order and waits until it listens.
func (h *helper) serve(o HelperOrder) error {
	order, err := json.Marshal(o)
	if err == nil {
		// One that has ended says so by the answer that is missing.
		_, _ = h.feed.Write(order)
		_ = h.feed.Close()
		err = answerOf(h.answers, h.cmd)
	}
	if err != nil {
		h.end()
		return err
	}
	return errors.Join(h.answers.Close(), h.cmd.Process.Release())
}

// end ends it.
func (h *helper) end() {
	_ = h.cmd.Process.Kill()
	_, _ = h.cmd.Process.Wait()
	_, _ = h.feed.Close(), h.answers.Close()
}

// answerOf reads the helper's answer, which is refused when it ends without one.
func answerOf(r io.Reader, cmd *exec.Cmd) error {
	var a HelperAnswer
	if err := json.NewDecoder(r).Decode(&a); err != nil {
		return failed(spec.NetBuiltin, nil, fmt.Sprintf("the helper process %d ended: %v", cmd.Process.Pid, err))
	}
	switch {
	case a.Error == "":
		return nil
	case a.Port != nil:
		return &PortInUse{Port: *a.Port, Errno: syscall.Errno(a.Errno)}
	}
	return failed(spec.NetBuiltin, nil, a.Error)
}
