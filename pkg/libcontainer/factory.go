package libcontainer

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
)

// Factory makes and finds the containers of a state directory.
//
//	ROOT/ID/             0700, locked by what changes the container
//	ROOT/ID/state.json   what changes: see record
//	ROOT/ID/config.json  the configuration at create
//	ROOT/ID/start        the socket that an init waits at, between create and start
//	ROOT/ID/notify/      the socket of sd_notify, if asked for
type Factory struct {
	// Root is absolute. It need not exist: it is made by Create.
	Root string
	// Program is the opened manager-monitor; only Create and Exec need it. The caller keeps ownership.
	Program *os.File
	// Trace, if set, is told of each step of create, exec and delete, and how long it took.
	Trace func(verb, step string, took time.Duration)
}

func (f *Factory) dir(id string) string { return filepath.Join(f.Root, id) }

// Load finds a container. ErrInvalid for an id that cannot be one, ErrNotFound, or ErrCorrupt for the
// remains of a creation that was killed at its beginning. The caller closes the container.
func (f *Factory) Load(id string) (*Container, error) {
	if err := ValidateID(id); err != nil {
		return nil, err
	}
	d, err := openDir(f.dir(id))
	if err != nil {
		return nil, err
	}
	r, err := d.readRecord()
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return &Container{factory: f, dir: d, record: *r}, nil
}

// List returns the containers in the order of their ids; one that is deleted meanwhile is left
// out, and the remains of killed creations are among damaged. The caller closes the containers.
func (f *Factory) List() (all []*Container, damaged []error, err error) {
	entries, err := os.ReadDir(f.Root)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		if !e.IsDir() || ValidateID(e.Name()) != nil {
			continue
		}
		c, err := f.Load(e.Name())
		switch {
		case err == nil:
			all = append(all, c)
		case !errors.Is(err, errdefs.ErrNotFound):
			damaged = append(damaged, err)
		}
	}
	slices.SortFunc(all, func(a, b *Container) int {
		if a.ID() < b.ID() {
			return -1
		}
		return 1
	})
	return all, damaged, nil
}
