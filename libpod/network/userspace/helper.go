package userspace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"runtime/debug"
	"syscall"

	"github.com/rootless-containers/rootlesskit/v3/pkg/port"
	"github.com/rootless-containers/rootlesskit/v3/pkg/port/builtin"
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/libpod/network"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/spec"
)

// helper is this process.
type helper struct {
	order   network.HelperOrder
	ns      *namespace
	clients clients
}

// Run is the helper's main, if argv says that this process is one: the path of the namespace follows the name. It reads its order,
// answers, and then ends with the container's init; ok is false for every other process.
func Run(argv []string) (ok bool) {
	if len(argv) != 2 || argv[0] != network.HelperName {
		return false
	}
	debug.SetGCPercent(50)
	logrus.SetOutput(io.Discard) // the stack tells of every connection that fails
	h := &helper{}
	answer := h.start(argv[1])
	_ = json.NewEncoder(os.Stdout).Encode(answer)
	if answer.Error != "" {
		return true
	}
	if err := silence(); err == nil {
		h.wait()
	}
	return true
}

func (h *helper) start(path string) network.HelperAnswer {
	fail := func(err error) network.HelperAnswer { return network.HelperAnswer{Error: err.Error()} }
	if err := json.NewDecoder(os.Stdin).Decode(&h.order); err != nil {
		return fail(fmt.Errorf("order: %w", err))
	}
	var err error
	if h.ns, err = enter(path); err != nil {
		return fail(err)
	}
	if h.order.Stack {
		if err := h.startStack(); err != nil {
			return fail(err)
		}
	}
	if len(h.order.Ports) == 0 {
		return network.HelperAnswer{}
	}
	if err := h.ns.returnReplies(h.order.Ports); err != nil {
		return fail(fmt.Errorf("rules for replies: %w", err))
	}
	h.clients = clients{h: h, flows: map[netip.Addr]int{}}
	tcp, err := h.portDriver()
	if err != nil {
		return fail(fmt.Errorf("port driver: %w", err))
	}
	for _, run := range h.order.Ports {
		for _, p := range run.Each() {
			if err := h.listen(tcp, p); err != nil {
				a := fail(err)
				var errno syscall.Errno
				if errors.As(err, &errno) {
					a.Port, a.Errno = &p, int(errno)
				}
				return a
			}
		}
	}
	return network.HelperAnswer{}
}

// portDriver joins rootlesskit's parent with the child. Their sockets are in the working directory, the container's run
// directory, so that the names are short enough for a socket.
func (h *helper) portDriver() (port.ParentDriver, error) {
	parent, err := builtin.NewParentDriver(io.Discard, ".", false, "")
	if err != nil {
		return nil, err
	}
	failed, ready := make(chan error, 2), make(chan struct{})
	go func() { failed <- (&child{h}).RunChildDriver(parent.OpaqueForChild(), nil, "") }()
	go func() { failed <- parent.RunParentDriver(ready, nil, nil) }()
	select {
	case err := <-failed:
		return nil, err
	case <-ready:
		return parent, nil
	}
}

// listen publishes one port.
func (h *helper) listen(tcp port.ParentDriver, p spec.Port) error {
	if p.Protocol == "udp" {
		return h.listenUDP(p)
	}
	_, err := tcp.AddPort(context.Background(), port.Spec{
		Proto: network.Network(p), ParentIP: p.HostIP, ParentPort: int(p.HostPort), ChildPort: int(p.ContainerPort),
	})
	return err
}

// silence gives the streams up: whoever started this process waits for their end.
func silence() error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	for fd := range 3 {
		if err := unix.Dup3(int(null.Fd()), fd, 0); err != nil {
			return err
		}
	}
	return null.Close()
}

// wait returns when the container's init has ended.
func (h *helper) wait() {
	init := h.order.Init
	fd, err := unix.PidfdOpen(init.PID, 0)
	if err != nil {
		return
	}
	if start, err := launch.StartTime(init.PID); err != nil || start != init.StartTime {
		return
	}
	for {
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1); !errors.Is(err, unix.EINTR) {
			return
		}
	}
}
