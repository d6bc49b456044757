package container

import (
	"context"
	"errors"
	"sync"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/libpod"
)

// parallelism bounds how many containers one command stops or removes at once. They
// spend their time waiting, so it is not tied to the number of processors.
const parallelism = 16

// target is a container and what the user called it.
type target struct{ id, shown string }

// targets resolves a selection, and goes on after names that do not exist.
func targets(ctx context.Context, core selector, s libpod.Selection) ([]target, []error) {
	var found []target
	var errs []error
	if !named(s) {
		ids, err := core.Select(ctx, s)
		if err != nil {
			errs = append(errs, err)
		}
		for _, id := range ids {
			found = append(found, target{id, id})
		}
		return found, errs
	}
	for _, name := range s.Names {
		single := s
		single.Names = []string{name}
		ids, err := core.Select(ctx, single)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, id := range ids {
			found = append(found, target{id, name})
		}
	}
	return found, errs
}

// eachParallel is each with several containers at a time. Results are printed in the
// order of the arguments.
func eachParallel(ctx context.Context, app *command.App, core selector, s libpod.Selection, do func(id, shown string) error) error {
	found, errs := targets(ctx, core, s)
	return errors.Join(append(errs, parallel(app, found, do))...)
}

func parallel(app *command.App, found []target, do func(id, shown string) error) error {
	if len(found) == 1 { // the usual case needs no goroutine
		if err := do(found[0].id, found[0].shown); err != nil {
			return err
		}
		app.Println(found[0].shown)
		return nil
	}
	results := make([]error, len(found))
	slots := make(chan struct{}, parallelism)
	var wait sync.WaitGroup
	for i, t := range found {
		slots <- struct{}{}
		wait.Go(func() {
			results[i] = do(t.id, t.shown)
			<-slots
		})
	}
	wait.Wait()
	for i, t := range found {
		if results[i] == nil {
			app.Println(t.shown)
		}
	}
	return errors.Join(results...)
}
