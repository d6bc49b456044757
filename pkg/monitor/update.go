package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"github.com/manager-project/manager/pkg/atomicfile"
	"github.com/manager-project/manager/pkg/errdefs"
)

// UpdateFile is the run directory's note of an Update, as long as it is under way.
const UpdateFile = "update.json"

// maxUpdate bounds it, in bytes: a plan has the container's environment and seccomp filter.
const maxUpdate = 16 << 20

// Update changes what a monitor was told at its start. It counts until the container's end.
type Update struct {
	// Generation is the start that is meant; a monitor of another one refuses.
	Generation uint64 `json:"generation"`
	// Restart takes the place of Config.Restart. Nil restarts nothing.
	Restart *Restart `json:"restart,omitempty"`
	// Health says that the healthcheck changes; nil leaves it as it is.
	Health *HealthUpdate `json:"health,omitempty"`
}

// HealthUpdate is another healthcheck.
type HealthUpdate struct {
	// Config takes the place of Config.Health. Nil ends the checks and removes their record.
	Config *HealthConfig `json:"config,omitempty"`
	// Stop is Config.Stop, for a monitor that has none.
	Stop *StopConfig `json:"stop,omitempty"`
	// Place is where the checks' processes belong.
	Place Place `json:"place,omitzero"`
	// Keep says that the check's command is the one of before: what is known of the health stays.
	Keep bool `json:"keep,omitempty"`
}

// Place is the cgroup of a container, as absolute paths.
type Place struct {
	// Dir is the version 2 directory, or "".
	Dir string `json:"dir,omitempty"`
	// Tasks are the version 1 tasks files.
	Tasks []string `json:"tasks,omitempty"`
}

// Tell has a monitor carry an update out. The caller holds the container's lock. The class is
// ErrUnavailable when no monitor answers, ErrState when it refused; nothing has changed then.
func Tell(ctx context.Context, runDir string, u Update) error {
	data, err := json.Marshal(u)
	if err != nil {
		return err
	}
	c, err := dial(runDir)
	if err != nil {
		return errdefs.New(errdefs.ErrUnavailable, "monitor", "", "%w", err)
	}
	defer func() { _ = c.close() }()
	defer context.AfterFunc(ctx, func() { _ = c.close() })()
	path := filepath.Join(runDir, UpdateFile)
	if err := atomicfile.Write(path, data, 0o600, atomicfile.Volatile); err != nil {
		return err
	}
	defer func() { _ = os.Remove(path) }()
	if err := c.send(KindUpdate, nil); err != nil {
		return errdefs.New(errdefs.ErrUnavailable, "monitor", "", "%w", err)
	}
	buf := make([]byte, MaxPacket)
	for {
		k, p, err := c.recv(buf)
		switch {
		case err != nil: // a monitor of an earlier version does not know the question
			return errors.Join(ctx.Err(), errdefs.New(errdefs.ErrUnavailable, "monitor", "", "it did not answer"))
		case k == KindUpdated && len(p) == 0:
			return nil
		case k == KindUpdated:
			return errdefs.New(errdefs.ErrState, "", "", "%s", p)
		}
	}
}

// ReadUpdate reads the note, with the classes of ReadLive.
func ReadUpdate(runDir string) (Update, error) {
	var u Update
	return u, readBounded(runDir, UpdateFile, maxUpdate, &u)
}
