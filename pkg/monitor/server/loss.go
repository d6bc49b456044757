package server

import (
	"encoding/json"
	"path/filepath"
	"sync"
	"time"

	"github.com/manager-project/manager/pkg/atomicfile"
	"github.com/manager-project/manager/pkg/monitor"
)

// lossPause is the least time between two writings of the record, however much is lost.
const lossPause = time.Second

// losses counts the output that the log did not take. The record in the run directory and the event follow the first
// loss at once; after that the record is written anew as long as the count grows, and the event is tried until it is kept:
// what keeps events may be on the same full disk.
type losses struct {
	mu     sync.Mutex
	record monitor.LogLoss
	// armed says that keepLoss is to come.
	armed bool
	// noted says that the event is kept. It is the loop's.
	noted bool
}

// lost counts n bytes of output that the log will not have. Any goroutine may call it; it does not wait.
func (s *server) lost(n int, why string) {
	if n <= 0 {
		return
	}
	l := &s.losses
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.record.Bytes == 0 {
		l.record.Generation, l.record.Since, l.record.Error = s.cfg.Generation, time.Now(), why
	}
	l.record.Bytes += uint64(n)
	if !l.armed {
		l.armed = true
		s.loop.post(s.keepLoss)
	}
}

// loss is what is lost until now.
func (s *server) loss() monitor.LogLoss {
	s.losses.mu.Lock()
	defer s.losses.mu.Unlock()
	return s.losses.record
}

// keepLoss writes the record, notes the event, and comes again when there may be more to tell.
func (s *server) keepLoss() {
	if s.phase == ended {
		return // the exit record has it
	}
	record := s.loss()
	if data, err := json.Marshal(record); err == nil {
		// On a full disk the exit record, whose room is reserved, tells it in the end.
		_ = atomicfile.Write(filepath.Join(s.cfg.RunDir, monitor.LossFile), data, 0o600, atomicfile.Volatile)
	}
	s.noteLoss(record)
	s.after(lossPause, func() {
		l := &s.losses
		l.mu.Lock()
		again := l.record.Bytes != record.Bytes || !l.noted
		l.armed = again
		l.mu.Unlock()
		if again {
			s.keepLoss()
		}
	})
}

// noteLoss keeps the one event of a start about what its log lost. Not keeping it is no reason to complain: the log
// and the events are lost to the same disk.
func (s *server) noteLoss(r monitor.LogLoss) {
	e := s.cfg.Events
	if s.phase < running {
		return // the event of the start comes first
	}
	if s.losses.noted || e == nil {
		s.losses.noted = true
		return
	}
	s.losses.noted = e.Log.Append(s.named(e.LossEvent(r, time.Now()))) == nil
}
