package server

import (
	"sync"
	"time"

	"github.com/manager-project/manager/pkg/monitor"
)

// closePatience is how long the end of a container waits for what its log still has to take.
const closePatience = 2 * time.Second

// bufferedLog keeps output waiting for a log that is slow, in a bounded buffer, so that the container is not. What
// finds it full is lost. The log itself is written by a goroutine of its own.
type bufferedLog struct {
	inner logger
	most  int64
	lost  lostFunc

	mu      sync.Mutex
	wake    chan struct{}
	waiting []pendingOutput
	size    int64
	calls   []func()
	closing bool
	done    chan struct{}
}

type pendingOutput struct {
	kind monitor.Kind
	text []byte
}

func openBuffered(c *monitor.Config, lost lostFunc) (*bufferedLog, error) {
	b, err := newBuffer()
	if err != nil {
		return nil, err
	}
	l := &bufferedLog{most: c.Log.Buffer, lost: lost, wake: make(chan struct{}, 1), done: make(chan struct{})}
	l.inner, err = openDirect(c, b, func(d time.Duration, f func()) {
		time.AfterFunc(d, func() {
			l.add(func() { l.calls = append(l.calls, f) })
		})
	}, lost)
	if err != nil {
		return nil, err
	}
	go l.run(b)
	return l, nil
}

func (l *bufferedLog) add(change func()) {
	l.mu.Lock()
	change()
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// write keeps a copy of one piece of output, if there is room.
func (l *bufferedLog) write(k monitor.Kind, p []byte) {
	l.add(func() {
		if l.size+int64(len(p)) > l.most {
			l.lost(len(p), "it is slower than the output, and what waits for it has its full size")
			return
		}
		l.size += int64(len(p))
		l.waiting = append(l.waiting, pendingOutput{k, append([]byte(nil), p...)})
	})
}

// run hands the output on until the log is closed and nothing is left.
func (l *bufferedLog) run(b *buffer) {
	defer close(l.done)
	for {
		l.mu.Lock()
		waiting, calls, closing := l.waiting, l.calls, l.closing
		l.waiting, l.calls = nil, nil
		l.mu.Unlock()
		for _, f := range calls {
			f()
		}
		for _, p := range waiting {
			l.inner.write(p.kind, p.text)
			l.mu.Lock()
			l.size -= int64(len(p.text))
			l.mu.Unlock()
		}
		if len(waiting) > 0 {
			continue
		}
		if closing {
			l.inner.close()
			return
		}
		b.release()
		<-l.wake
	}
}

// close ends the log when it has everything, or has taken too long for that.
func (l *bufferedLog) close() {
	l.add(func() { l.closing = true })
	select {
	case <-l.done:
	case <-time.After(closePatience):
		l.mu.Lock()
		left := l.size
		l.mu.Unlock()
		l.lost(int(left), "it did not take all output in time")
		complain("the log did not take all output in time")
	}
}
