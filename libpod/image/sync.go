package image

import "go.podman.io/storage/pkg/ioutils"

// The storage library writes the list of mounts, which is void after a power cut, and the records of
// images by the same function, and syncs both: six times for a container that runs once, each a
// third of a millisecond or more, under the lock of all layers. The function's default is the only
// switch. Where a program works on containers alone it is turned off; layers and containers that
// must last are synced by options of their own. The first call that changes an image turns it on
// again, for good.

// relax turns the default off. s.mu is held.
func (s *Service) relax() {
	if !HasTransfers && !s.changing {
		ioutils.SetDefaultOptions(ioutils.AtomicFileWriterOptions{NoSync: true})
	}
}

// changeImages must be called before a record of an image is written. It must not be called while
// another goroutine of the process is at work on the store; the lean program, which alone has to
// call it, does one thing at a time.
func (s *Service) changeImages() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !HasTransfers && !s.changing {
		ioutils.SetDefaultOptions(ioutils.AtomicFileWriterOptions{})
	}
	s.changing = true
}
