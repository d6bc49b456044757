package main

import (
	"errors"
	"regexp"

	"github.com/manager-project/manager/pkg/errdefs"
)

type deleteOptions struct{ force, regex bool }

func deleteCommand() *command {
	o := &deleteOptions{}
	return &command{
		name: "delete", args: "ID", summary: "remove a stopped or created container", least: 1, most: 1,
		flags: []option{
			{name: "force", short: "f", to: &o.force, usage: "kill the container first; one that is not there is no error"},
			{name: "regex", to: &o.regex, usage: "ID is a regular expression: delete every container that it fits"},
		},
		run: func(a *app, args []string) (int, error) {
			if o.regex {
				return 0, o.matching(a, args[0])
			}
			return 0, o.one(a, args[0])
		},
	}
}

func (o *deleteOptions) one(a *app, id string) error {
	c, err := a.factory().Load(id)
	switch {
	case errors.Is(err, errdefs.ErrNotFound) && o.force:
		return nil
	case errors.Is(err, errdefs.ErrCorrupt) && o.force:
		return a.factory().RemoveRemains(id)
	case err != nil:
		return err
	}
	remove := c.Destroy
	if o.force {
		remove = c.Kill
	}
	err = remove()
	if errors.Is(err, errdefs.ErrNotFound) && o.force {
		err = nil // another command was faster
	}
	a.warn(c.Warnings)
	return errors.Join(err, c.Close())
}

func (o *deleteOptions) matching(a *app, expr string) error {
	re, err := regexp.Compile(expr)
	if err != nil {
		return errdefs.Invalid("--regex", expr, "%w", err)
	}
	all, _, err := a.factory().List()
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range all {
		_ = c.Close()
		if re.MatchString(c.ID()) {
			errs = append(errs, o.one(a, c.ID()))
		}
	}
	return errors.Join(errs...)
}
