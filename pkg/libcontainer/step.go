package libcontainer

import (
	"time"

	"github.com/manager-project/manager/internal/fault"
)

// step is a part of a verb. Tests make each fail, and kill the program before each.
type step struct {
	name string
	do   func() error
}

// runSteps does them in order, up to the first that fails.
func (f *Factory) runSteps(verb string, steps []step) error {
	for _, s := range steps {
		if err := fault.Check(verb + ": " + s.name); err != nil {
			return err
		}
		began := time.Now()
		err := s.do()
		if f.Trace != nil {
			f.Trace(verb, s.name, time.Since(began))
		}
		if err != nil {
			return err
		}
	}
	fault.Point(verb + ": done")
	return nil
}
