package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer"
)

type eventsOptions struct {
	interval time.Duration
	stats    bool
}

func eventsCommand() *command {
	const often = 5 * time.Second
	o := &eventsOptions{interval: often}
	return &command{
		name: "events", args: "ID", summary: "print statistics and out-of-memory notices of a container", least: 1, most: 1,
		about: "One JSON object a line, until the container has stopped.",
		flags: []option{
			{name: "interval", to: &o.interval, value: "TIME", usage: "time between statistics, as in 5s (default 5s)"},
			{name: "stats", to: &o.stats, usage: "print statistics once"},
		},
		run: func(a *app, args []string) (int, error) {
			if o.interval <= 0 {
				return 0, errdefs.Invalid("--interval", o.interval.String(), "duration interval must be greater than 0")
			}
			c, err := a.factory().Load(args[0])
			if err != nil {
				return 0, err
			}
			if o.stats {
				err = sendStats(a, c)
			} else {
				err = o.follow(a, c)
			}
			return 0, errors.Join(err, c.Close())
		},
	}
}

// event is a line of the command events.
type event struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Data any    `json:"data,omitempty"`
}

// sendStats prints the counters.
func sendStats(a *app, c *libcontainer.Container) error {
	s, err := c.Stats()
	if err != nil {
		return err
	}
	return printJSON(a.out, event{Type: "stats", ID: c.ID(), Data: s}, "")
}

// follow prints until the container has stopped. Without notices of memory there are statistics alone.
func (o *eventsOptions) follow(a *app, c *libcontainer.Container) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	oom, err := c.OOM(ctx)
	if errors.Is(err, errdefs.ErrUnsupported) {
		a.logger.write(levelWarning, err.Error())
		err = nil
	}
	if err != nil {
		return err
	}
	next := time.NewTicker(o.interval)
	defer next.Stop()
	// The notices end with the cgroup, which may outlive the program by long.
	const look = 200 * time.Millisecond
	alive := time.NewTicker(look)
	defer alive.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, more := <-oom:
			if !more {
				oom = nil
				continue
			}
			err = printJSON(a.out, event{Type: "oom", ID: c.ID()}, "")
		case <-next.C:
			err = sendStats(a, c)
		case <-alive.C:
			err = nil
			if c.Status() == libcontainer.Stopped {
				return nil
			}
		}
		if errors.Is(err, errdefs.ErrState) || errors.Is(err, errdefs.ErrNotFound) {
			return nil // it stopped meanwhile
		}
		if err != nil {
			return err
		}
	}
}
