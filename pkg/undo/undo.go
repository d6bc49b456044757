// Package undo keeps the steps that put things back when a multi-step operation fails.
package undo

import "errors"

// Stack collects undo functions and runs them last to first.
// The zero value is ready. It is not safe for concurrent use.
type Stack struct{ steps []func() error }

// Add pushes a step.
func (s *Stack) Add(f func() error) { s.steps = append(s.steps, f) }

// Release forgets all steps: the operation succeeded.
func (s *Stack) Release() { s.steps = nil }

// Run runs all steps, last added first, each of them even if others fail,
// forgets them, and joins their errors.
func (s *Stack) Run() error {
	var errs []error
	for i := len(s.steps) - 1; i >= 0; i-- {
		errs = append(errs, s.steps[i]())
	}
	s.steps = nil
	return errors.Join(errs...)
}
