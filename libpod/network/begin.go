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
	// packets and the helper waits for its order, or failed says why not; dropped when the driver was ended before.
	pinned, ready, dropped chan struct{}
	unpinned, failed       error
	helper                 *helper
	// connected is closed when packets of the namespace wait for a driver that is not ready yet.
	connected chan struct{}
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
	b := &Beginning{q: q, plan: a, pinned: make(chan struct{}), ready: make(chan struct{}), dropped: make(chan struct{}), connected: make(chan struct{})}
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
		if q.routes != nil {
			defer func() { _ = q.routes.Close() }()
			go b.watch()
		}
		return runPasta(ctx, q, b.plan, func() { close(b.dropped) })
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

// watch closes connected when the interface has the routes that pasta makes last, before its tables.
func (b *Beginning) watch() {
	families := wayOutFamilies()
	if len(families) > 0 && awaitDefaults(b.q.routes, families...) == nil {
		close(b.connected)
	}
}

// Connected waits until the namespace has interface, addresses and routes, and reports true if no more is known: what is sent there
// waits until the driver carries it. The network is still to be finished or abandoned. It is false when Finish does not have to wait any
// more, or somebody listens on ports or was given options, who may refuse them late.
func (b *Beginning) Connected() bool {
	if len(b.q.Net.Ports) > 0 || len(b.q.Net.DriverOptions) > 0 {
		return false
	}
	select {
	case <-b.ready:
		return false
	case <-b.connected:
		return true
	}
}

// Ready is closed when Finish does not have to wait any more.
func (b *Beginning) Ready() <-chan struct{} { return b.ready }

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
	select {
	case <-b.ready:
	case <-b.dropped: // the kernel may take its time with what it had
		b.q.record.Complete = true
		_ = b.q.record.write(b.q.Dir) // or what is there is looked for
	}
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
