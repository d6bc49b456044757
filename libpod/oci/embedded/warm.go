package embedded

import (
	"sync"

	"github.com/manager-project/manager/pkg/monitor"
)

// warm is a monitor process that was started before it is known what for: a Go program takes
// 2 to 3 ms to come up, which is time in which the container's layer is made and mounted.
type warm struct {
	mu     sync.Mutex
	result chan begun
}

type begun struct {
	b   *monitor.Beginning
	err error
}

// take returns the channel of what was begun, if nobody took it before.
func (w *warm) take() chan begun {
	w.mu.Lock()
	defer w.mu.Unlock()
	ch := w.result
	w.result = nil
	return ch
}

// Warm implements oci.Warmer.
func (r *Runtime) Warm() {
	r.warm.mu.Lock()
	defer r.warm.mu.Unlock()
	if r.warm.result != nil {
		return
	}
	ch := make(chan begun, 1)
	r.warm.result = ch
	go func() {
		b, err := monitor.Begin(r.program, nil, nil)
		ch <- begun{b, err}
	}()
}

// Cool implements oci.Warmer.
func (r *Runtime) Cool() {
	if ch := r.warm.take(); ch != nil {
		if w := <-ch; w.err == nil {
			w.b.Cancel()
		}
	}
}

// begun returns the warm monitor process, or starts one.
func (r *Runtime) begun() (*monitor.Beginning, error) {
	if ch := r.warm.take(); ch != nil {
		w := <-ch
		return w.b, w.err
	}
	return monitor.Begin(r.program, nil, nil)
}
