package program

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

// Warm begins a monitor process in the background; see oci.Warmer.
func (p *Program) Warm() {
	p.warm.mu.Lock()
	defer p.warm.mu.Unlock()
	if p.warm.result != nil {
		return
	}
	ch := make(chan begun, 1)
	p.warm.result = ch
	go func() {
		b, err := monitor.Begin(p.file, nil, nil)
		ch <- begun{b, err}
	}()
}

// Cool ends what Warm began and Begin did not take.
func (p *Program) Cool() {
	if ch := p.warm.take(); ch != nil {
		if w := <-ch; w.err == nil {
			w.b.Cancel()
		}
	}
}

// Begin returns the warm monitor process, or starts one.
func (p *Program) Begin() (*monitor.Beginning, error) {
	if ch := p.warm.take(); ch != nil {
		w := <-ch
		return w.b, w.err
	}
	return monitor.Begin(p.file, nil, nil)
}
