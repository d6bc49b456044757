package libpod

import (
	"context"
	"os"
	"syscall"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/eventlog"
	"github.com/manager-project/manager/pkg/monitor"
)

// options translates a client's streams into the monitor's words. It is called once: from then on the
// signals are taken for the options.
func (s *Streams) options() (monitor.AttachOptions, error) {
	keys, err := monitor.ParseDetachKeys(s.DetachKeys)
	if err != nil {
		return monitor.AttachOptions{}, err
	}
	o := monitor.AttachOptions{Stdout: s.Stdout, Stderr: s.Stderr, DetachKeys: keys, Resize: s.Resize}
	if s.Stdin != nil {
		o.Stdin = s.Stdin
	}
	if s.Signals != nil {
		o.Signals = translated(s.Signals)
	}
	return o, nil
}

// translated gives the kernel's signals; the goroutine ends with the caller's channel.
func translated(in <-chan os.Signal) <-chan syscall.Signal {
	out := make(chan syscall.Signal, 1)
	go func() {
		defer close(out)
		for sig := range in {
			if s, ok := sig.(syscall.Signal); ok {
				out <- s
			}
		}
	}()
	return out
}

// Attach joins the streams of a running container until it ends or the user detaches.
func (r *Runtime) Attach(ctx context.Context, id string, streams Streams) (AttachResult, error) {
	c, err := r.load(ctx, id)
	if err != nil {
		return AttachResult{}, err
	}
	if !c.current().Live() {
		return AttachResult{}, c.wrongState("attach to", "running")
	}
	if c.cfg.Log.IsPassthrough() {
		cause := errdefs.New(errdefs.ErrUnsupported, "", "", "with --log-driver %s its streams are those of the command that started it", c.cfg.Log.Driver)
		return AttachResult{}, c.fail("attach to", errdefs.ErrUnsupported, cause, "use \"manager exec\"")
	}
	o, err := streams.options()
	if err != nil {
		return AttachResult{}, err
	}
	if !c.cfg.Process.Stdin {
		o.Stdin = nil
	}
	c.emit(eventlog.Attach)
	res, err := monitor.Attach(ctx, r.paths.runDir(id), o)
	if err != nil {
		return AttachResult{}, c.fail("attach to", nil, err, "")
	}
	if res.Detached || res.Exit == nil {
		return AttachResult{Detached: true}, nil
	}
	return AttachResult{ExitCode: res.Exit.Code}, nil
}
