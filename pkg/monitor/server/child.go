package server

import (
	"context"
	"os"
	"syscall"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
)

// child is what the monitor needs of a launched process. *launch.Child is one.
type child interface {
	PID() int
	PIDFD() *os.File
	StartTime() (uint64, error)
	Ready(ctx context.Context) (console *os.File, err error)
	Exec() error
	Wait() (launch.ExitStatus, error)
	Signal(sig syscall.Signal) error
	Close() error
}

// starter starts a child.
type starter func(ctx context.Context, r launch.Request) (child, error)

func startChild(ctx context.Context, r launch.Request) (child, error) {
	c, err := launch.Start(ctx, r)
	if err != nil {
		return nil, err
	}
	return c, nil
}
