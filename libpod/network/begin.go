package network

import (
	"context"
	"errors"
	"fmt"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/pkg/spec"
)

// Beginning is a network that is being made beside the other steps of a start. It has to be finished or abandoned; what it
// has made by then is Teardown's.
type Beginning struct {
	q      *Request
	plan   *Addresses
	cancel context.CancelFunc
	// pinned is closed when the namespace is in the run directory, or unpinned says why not; ready when the driver carries
	// packets and the helper waits for its order, or failed says why not.
	pinned, ready    chan struct{}
	unpinned, failed error
	helper           *helper
}

// Begin makes the container's network namespace, if there is no init that has one, and starts who connects it. It does
// not wait for them. A container without a driver has no Beginning, which is nil.
func Begin(ctx context.Context, q *Request) (*Beginning, error) {
	a, err := Plan(q.Net)
	if a == nil || err != nil {
		return nil, err
	}
	if err := tunThere(); err != nil {
		return nil, err
	}
	if err := q.record.write(q.Dir); err != nil {
		return nil, err
	}
	fault.Point("network: recorded")
	b := &Beginning{q: q, plan: a, pinned: make(chan struct{}), ready: make(chan struct{})}
	ctx, b.cancel = context.WithCancel(ctx)
	go func() {
		defer close(b.ready)
		b.unpinned = q.pin()
		close(b.pinned)
		if b.failed = b.unpinned; b.failed == nil {
			fault.Point("network: namespace pinned")
			b.failed = b.run(ctx)
		}
	}()
	return b, nil
}

// run starts the helper, which comes up meanwhile, and waits for the driver.
func (b *Beginning) run(ctx context.Context) error {
	q := b.q
	if q.Net.Driver == spec.NetBuiltin || len(q.Net.Ports) > 0 {
		h, err := startHelper(q)
		if err != nil {
			return err
		}
		b.helper = h
	}
	switch q.Net.Driver {
	case spec.NetPasta:
		return runPasta(ctx, q, b.plan)
	case spec.NetSlirp4netns:
		return runSlirp(ctx, q)
	}
	return nil
}

// Namespace is the file of the namespace, which may be joined as soon as this returns.
func (b *Beginning) Namespace() (string, error) {
	<-b.pinned
	return b.q.path(netnsFile), b.unpinned
}

// Finish waits until the network carries packets and its ports are published; it then ends with init.
func (b *Beginning) Finish(init Process) error {
	<-b.ready
	err := b.failed
	if err == nil && b.helper != nil {
		err = b.helper.serve(HelperOrder{
			Init: init, Stack: b.q.Net.Driver == spec.NetBuiltin, Addresses: *b.plan, Ports: b.q.Net.Ports,
		})
		b.helper = nil
	}
	if err != nil {
		b.Abandon()
		return err
	}
	b.cancel()
	b.q.record.Complete = true
	return b.q.record.write(b.q.Dir)
}

// Abandon ends what is not to be finished, and returns when nothing more is started.
func (b *Beginning) Abandon() {
	b.cancel()
	<-b.ready
	if b.helper != nil {
		b.helper.end()
		b.helper = nil
	}
}

// abandoned gives the reason where a driver was ended by Abandon.
func abandoned(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("the start was given up: %w", errors.Join(ctx.Err(), err))
	}
	return err
}
