package server

import (
	"os"
	"path/filepath"

	"github.com/manager-project/manager/pkg/eventlog"
	"github.com/manager-project/manager/pkg/monitor"
)

// noteStart and noteEnd keep the events, before anybody can act on what they tell.

func (s *server) noteStart() {
	if e := s.cfg.Events; e != nil {
		note(e, e.StartEvent(s.live.Released))
	}
}

func (s *server) noteEnd(r *monitor.ExitRecord) {
	if e := s.cfg.Events; e != nil {
		note(e, s.named(e.EndEvent(r)))
	}
}

// named is the event with the name that the container has by now.
func (s *server) named(event eventlog.Event) eventlog.Event {
	if name, err := os.ReadFile(filepath.Join(s.cfg.RunDir, monitor.NameFile)); err == nil {
		event.Name = string(name) // it was renamed meanwhile
	}
	return event
}

func note(to *monitor.Events, e eventlog.Event) {
	if err := to.Log.Append(e); err != nil {
		complain(err.Error())
	}
}
