package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/pkg/errdefs"
)

// Select resolves names, --all, --latest, --cidfile and --filter to full ids. The errors of
// single names come back joined, together with the ids that were found.
func (r *Runtime) Select(ctx context.Context, s Selection) ([]string, error) {
	var (
		ids  []string
		errs []error
	)
	names := slices.Clone(s.Names)
	for _, file := range s.CIDFiles {
		raw, err := os.ReadFile(file)
		if err != nil {
			if !s.Ignore || !errors.Is(err, os.ErrNotExist) {
				errs = append(errs, &errdefs.Error{Op: "--cidfile", Name: file, Class: errdefs.ErrInvalid, Cause: err, Hint: "name a file that run --cidfile has written"})
			}
			continue
		}
		line, _, _ := strings.Cut(string(raw), "\n")
		names = append(names, line)
	}
	for _, name := range names {
		id, err := r.state.FindContainer(ctx, name)
		switch {
		case err == nil:
			ids = append(ids, id)
		case s.Ignore && errors.Is(err, errdefs.ErrNotFound):
		default:
			errs = append(errs, err)
		}
	}
	if s.All || s.Latest || len(s.Filters) > 0 {
		more, err := r.selectListed(ctx, s)
		if err != nil {
			errs = append(errs, err)
		}
		ids = append(ids, more...)
	}
	return unique(ids), errors.Join(errs...)
}

func (r *Runtime) selectListed(ctx context.Context, s Selection) ([]string, error) {
	entries, err := r.List(ctx, ListOptions{All: true, Latest: s.Latest, Filters: s.Filters})
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		if len(s.Statuses) == 0 || s.Latest || slices.Contains(s.Statuses, e.Status) {
			ids = append(ids, e.ID)
		}
	}
	if s.Latest && len(ids) == 0 {
		return nil, &errdefs.Error{Op: "--latest", Class: errdefs.ErrNotFound, Cause: errors.New("there is no container"), Hint: "make one with \"manager run\""}
	}
	return ids, nil
}

func unique(ids []string) []string {
	seen := make(map[string]bool, len(ids))
	return slices.DeleteFunc(ids, func(id string) bool {
		was := seen[id]
		seen[id] = true
		return was
	})
}

// Exists reports whether a container has this name or id.
func (r *Runtime) Exists(ctx context.Context, name string) (bool, error) {
	_, err := r.state.FindContainer(ctx, name)
	if errors.Is(err, errdefs.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// wrongState says which states a command needs.
func (c *container) wrongState(op string, need string) error {
	return c.fail(op, errdefs.ErrState, fmt.Errorf("it is %s, not %s", c.status(), need), stateHint(c.row.Name, c.status(), need))
}

func stateHint(name string, is define.Status, need string) string {
	switch {
	case is == define.StatusRestarting:
		return fmt.Sprintf("wait until it runs again, start it at once with \"manager start %s\", or stop it with \"manager stop %s\"", name, name)
	case is == define.StatusPaused:
		return fmt.Sprintf("resume it with \"manager unpause %s\"", name)
	case is == define.StatusRemoving || is == define.StatusCreating:
	case is == define.StatusStopping:
		return fmt.Sprintf("wait for its end with \"manager wait %s\"", name)
	case need == "running":
		return fmt.Sprintf("start it with \"manager start %s\"", name)
	case is.Live():
		return fmt.Sprintf("stop it with \"manager stop %s\"", name)
	}
	return fmt.Sprintf("see \"manager ps -a --filter name=%s\"", name)
}
