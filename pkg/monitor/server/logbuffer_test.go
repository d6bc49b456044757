package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/manager-project/manager/pkg/monitor"
)

// slowLog takes a line when it is let.
type slowLog struct {
	enter, leave chan struct{}
	got          []string
	closed       bool
}

func (l *slowLog) write(_ monitor.Kind, p []byte) {
	l.enter <- struct{}{}
	<-l.leave
	l.got = append(l.got, string(p))
}

func (l *slowLog) close() { l.closed = true }

// A log that stands still holds nobody up: what fits the buffer is kept, the rest lost, and there is room again
// once it goes on.
func TestBufferedLog(t *testing.T) {
	slow := &slowLog{enter: make(chan struct{}), leave: make(chan struct{})}
	b, err := newBuffer()
	if err != nil {
		t.Fatal(err)
	}
	lost := 0
	l := &bufferedLog{inner: slow, most: 10, lost: func(n int, _ string) { lost += n }, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go l.run(b)
	l.write(monitor.KindStdout, []byte("1234"))
	<-slow.enter // it is being written, and still counts
	for _, text := range []string{"5678", "lost", "90"} {
		l.write(monitor.KindStdout, []byte(text))
	}
	slow.leave <- struct{}{}
	<-slow.enter
	l.write(monitor.KindStderr, []byte("abcd"))
	go func() {
		for {
			select {
			case slow.leave <- struct{}{}:
			case <-slow.enter:
			case <-l.done:
				return
			}
		}
	}()
	l.close()
	if got := strings.Join(slow.got, " "); got != "1234 5678 90 abcd" || !slow.closed {
		t.Errorf("%s, closed %v", got, slow.closed)
	}
	if lost != len("lost") {
		t.Errorf("%d bytes are said to be lost", lost)
	}
	if l.size != 0 || len(l.waiting) != 0 {
		t.Error(fmt.Sprint("left over: ", l.size, len(l.waiting)))
	}
}
