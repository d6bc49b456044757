package container

import (
	"context"
	"errors"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/libpod"
	"github.com/manager-project/manager/pkg/errdefs"
)

// selector finds the containers a command is about.
type selector interface {
	Select(ctx context.Context, s libpod.Selection) ([]string, error)
}

// The options by which containers are chosen.

func allFlag(s *libpod.Selection, short, usage string) flags.Flag {
	return flags.Flag{Name: "all", Short: short, To: &s.All, Usage: usage}
}

func latestFlag(s *libpod.Selection) flags.Flag {
	return flags.Flag{Name: "latest", Short: "l", To: &s.Latest, Usage: "Take the container that was made last"}
}

func cidfileFlag(s *libpod.Selection) flags.Flag {
	return flags.Flag{Name: "cidfile", To: &s.CIDFiles, Complete: flags.CompleteFiles, Usage: "Read the id from this file"}
}

func filterFlag(s *libpod.Selection, short string) flags.Flag {
	return flags.Flag{Name: "filter", Short: short, To: &s.Filters, Usage: "Take the containers that match KEY=VALUE"}
}

// chosen checks that a command was told exactly one way which containers it is about.
func chosen(s *libpod.Selection, args []string) error {
	s.Names = args
	invalid := func(text string) error {
		return &errdefs.Error{Class: errdefs.ErrInvalid, Cause: errors.New(text)}
	}
	switch {
	case s.All && s.Latest:
		return invalid("--all and --latest exclude each other")
	case len(args) > 0 && (s.All || s.Latest):
		return invalid("--all and --latest take no container names")
	case len(args) == 0 && !s.All && !s.Latest && len(s.CIDFiles) == 0 && len(s.Filters) == 0:
		return invalid("needs a container name or id, or one of --all, --latest, --cidfile, --filter")
	}
	return nil
}

// one resolves the single container of a command: its argument or --latest.
func one(ctx context.Context, core selector, name string, latest bool) (string, error) {
	s := libpod.Selection{Latest: latest}
	if !latest {
		s.Names = []string{name}
	}
	ids, err := core.Select(ctx, s)
	if err != nil {
		return "", err
	}
	if len(ids) == 0 {
		return "", errdefs.NotFound("container", name)
	}
	return ids[0], nil
}

// each runs do for every chosen container, prints what the user called it after each
// success, and goes on after an error.
func each(ctx context.Context, app *command.App, core selector, s libpod.Selection, do func(id string) error) error {
	found, errs := targets(ctx, core, s)
	for _, t := range found {
		if err := do(t.id); err != nil {
			errs = append(errs, err)
			continue
		}
		app.Println(t.shown)
	}
	return errors.Join(errs...)
}

// named says that the containers were given by name alone, so that each is printed back
// as it was written.
func named(s libpod.Selection) bool {
	return len(s.Names) > 0 && len(s.CIDFiles) == 0 && len(s.Filters) == 0
}

// latestOr checks arguments of commands that take a container or --latest, and more.
func latestOr(latest *bool, least int, what string) command.ArgRule {
	return func(args []string) error {
		if *latest {
			return command.AtLeast(least-1, what)(args)
		}
		return command.AtLeast(least, what)(args)
	}
}
