package libpod

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/libpod/oci"
	"github.com/manager-project/manager/pkg/atomicfile"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/eventlog"
	"github.com/manager-project/manager/pkg/libcontainer/criu"
	"github.com/manager-project/manager/pkg/monitor"
	"github.com/manager-project/manager/pkg/specjson"
)

// The files of a container's checkpoints, in its own directory. The images have their name once they are whole.
//
//	checkpoint/       the images that restore takes
//	pre-checkpoint/   memory only, from --pre-checkpoint
//	criu/             CRIU's log and counts of the last dump or restore
//	checkpoint.json   when
const (
	imagesDir    = "checkpoint"
	preImagesDir = "pre-checkpoint"
	criuDir      = "criu"
	timesFile    = "checkpoint.json"
)

// CheckpointOptions of Checkpoint.
type CheckpointOptions struct {
	// Keep keeps CRIU's log and counts.
	Keep bool
	// LeaveRunning lets the container go on.
	LeaveRunning bool
	// PreCheckpoint writes memory only, and lets the container go on; WithPrevious writes what changed since.
	PreCheckpoint, WithPrevious bool
	TCPEstablished, FileLocks   bool
	// Export puts the images, and what belongs to them, into an archive.
	Export ExportOptions
}

// RestoreOptions of Restore.
type RestoreOptions struct {
	// Keep keeps the images, and CRIU's log and counts.
	Keep                                bool
	TCPEstablished, TCPClose, FileLocks bool
}

// CheckpointReport is what a checkpoint or restore took. Times are microseconds.
type CheckpointReport struct {
	ID string
	// Runtime is how long the runtime was at work; CRIU is what CRIU counted.
	Runtime int64
	CRIU    criu.Stats
}

// checkpointTimes is checkpoint.json.
type checkpointTimes struct {
	Checkpointed time.Time `json:"checkpointed,omitzero"`
	Restored     time.Time `json:"restored,omitzero"`
}

// Checkpoint writes a running container's processes to images with CRIU. The container has ended then, unless it is left
// running, and Restore lets it go on. After an error it is as it was; a failure of CRIU is class ErrUnavailable.
func (r *Runtime) Checkpoint(ctx context.Context, id string, o CheckpointOptions) (CheckpointReport, error) {
	report := CheckpointReport{ID: id}
	if o.PreCheckpoint && o.WithPrevious {
		return report, errdefs.Invalid("--with-previous", "", "it excludes --pre-checkpoint")
	}
	if err := (criu.Program{}).Check(ctx); err != nil {
		return report, err
	}
	return report, r.update(ctx, id, func(ctx context.Context, c *locked) error {
		if c.status() != define.StatusRunning {
			return c.wrongState("checkpoint", "running")
		}
		if c.cfg.Life.Remove && !o.PreCheckpoint && !o.LeaveRunning && o.Export.Path == "" {
			return c.fail("checkpoint", errdefs.ErrUnsupported, errors.New("it is removed when it ends (--rm), and its checkpoint with it"), "add --export FILE or --leave-running")
		}
		if c.hasLabelledPipes() {
			return c.fail("checkpoint", errdefs.ErrUnsupported, errors.New("its pipes have SELinux labels of their own, since it was started from a login, and CRIU cannot restore those"),
				fmt.Sprintf("start it from a service: \"systemd-run manager restart %s\"", c.row.Name))
		}
		return c.checkpoint(ctx, &o, &report)
	})
}

func (c *locked) checkpoint(ctx context.Context, o *CheckpointOptions, report *CheckpointReport) error {
	dir := c.rt.paths.staticDir(c.row.ID)
	name, fresh := imagesDir, filepath.Join(dir, imagesDir+".new")
	if o.PreCheckpoint {
		name = preImagesDir
	}
	q := oci.CheckpointRequest{
		ID: c.row.ID, Bundle: c.rt.paths.runDir(c.row.ID), Cgroup: c.row.State.CgroupPath, PID: c.row.State.PID,
		Images: fresh, Work: filepath.Join(dir, criuDir),
		PreDump: o.PreCheckpoint, LeaveRunning: o.LeaveRunning, TCPEstablished: o.TCPEstablished, FileLocks: o.FileLocks,
	}
	if o.WithPrevious {
		if !exists(filepath.Join(dir, preImagesDir)) {
			return c.fail("checkpoint", errdefs.ErrState, errors.New("it has no earlier checkpoint"), "make one with --pre-checkpoint first")
		}
		q.Parent = "../" + preImagesDir
	}
	rt, err := c.checkpointer("checkpoint")
	if err != nil {
		return err
	}
	archive, err := c.checkExport(ctx, &o.Export)
	if err != nil {
		return err
	}
	if q.Spec, err = c.launchedSpec(); err != nil {
		return err
	}
	for _, d := range []string{q.Images, q.Work} {
		if err := errors.Join(removeAll(d), mkdir(d)); err != nil {
			return err
		}
	}
	ends := !o.PreCheckpoint && !o.LeaveRunning
	if ends {
		// A monitor that restarts what ends must know whose end this is.
		if err := c.noteStop(monitor.StopByCheckpoint, 0, 0); err != nil {
			return err
		}
	}
	fault.Point("checkpoint: dump")
	began := time.Now()
	if err := rt.Checkpoint(ctx, q); err != nil {
		err = c.fail("checkpoint", nil, c.whileEnding("checkpoint", c.namedLog(err, q.Work)), errdefs.Hint(err))
		_ = os.Remove(filepath.Join(q.Bundle, monitor.StopFile)) // there is none if it was to go on
		return errors.Join(err, removeAll(q.Images))
	}
	report.Runtime = time.Since(began).Microseconds()
	fault.Point("checkpoint: dumped")
	if err := replaceDir(fresh, filepath.Join(dir, name)); err != nil {
		return err
	}
	c.emit(eventlog.Checkpoint)
	var exported error
	if archive != nil {
		archive.Pre, archive.Previous = o.PreCheckpoint, o.WithPrevious
		archive.VolumesIn = len(archive.Volumes) > 0 && !o.Export.IgnoreVolumes && !o.PreCheckpoint
		if exported = c.archive(ctx, &o.Export, archive, filepath.Join(dir, name)); exported != nil {
			exported = c.fail("export", nil, exported, first(errdefs.Hint(exported), fmt.Sprintf("let it go on with \"manager container restore %s\", and try again", c.row.Name)))
		}
	}
	report.CRIU, _ = criu.ReadStats(q.Work, criu.Dump) // for people; a runtime need not leave them
	if !o.Keep {
		if err := removeAll(q.Work); err != nil {
			return err
		}
	}
	if o.PreCheckpoint {
		return exported
	}
	if err := errors.Join(exported, c.noteTimes(checkpointTimes{Checkpointed: time.Now()})); err != nil || !ends {
		return err
	}
	if err := c.reconcile(ctx); err != nil && !(c.cfg.Life.Remove && errors.Is(err, errdefs.ErrNotFound)) {
		return err
	}
	return nil
}

// namedLog adds where CRIU's log is to an error that has no next step.
func (c *locked) namedLog(err error, work string) error {
	var known *errdefs.Error
	if errdefs.Hint(err) != "" || errors.As(err, &known) {
		return err
	}
	return &errdefs.Error{Class: errdefs.ErrUnavailable, Cause: err, Hint: "see CRIU's log in " + work}
}

func (c *locked) checkpointer(op string) (oci.Checkpointer, error) {
	rt, err := c.runtime()
	if err != nil {
		return nil, err
	}
	cp, ok := rt.(oci.Checkpointer)
	if !ok {
		return nil, c.fail(op, errdefs.ErrUnsupported, errors.New("its runtime cannot do that"), "make it with another --runtime")
	}
	return cp, nil
}

// launchedSpec is the specification of the present start.
func (c *container) launchedSpec() (*specs.Spec, error) {
	raw, err := readUserFile(filepath.Join(c.rt.paths.runDir(c.row.ID), "config.json"))
	if err != nil {
		return nil, err
	}
	spec := &specs.Spec{}
	return spec, specjson.Unmarshal(raw, spec)
}

// replaceDir puts a directory in the place of another, which may not be there.
func replaceDir(from, to string) error {
	if err := removeAll(to); err != nil {
		return err
	}
	return os.Rename(from, to)
}

func (c *container) timesFile() string {
	return filepath.Join(c.rt.paths.staticDir(c.row.ID), timesFile)
}

// noteTimes writes down what is set of the times.
func (c *locked) noteTimes(t checkpointTimes) error {
	all := c.checkpointTimes()
	if !t.Checkpointed.IsZero() {
		all.Checkpointed = t.Checkpointed
	}
	if !t.Restored.IsZero() {
		all.Restored = t.Restored
	}
	raw, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return atomicfile.Write(c.timesFile(), raw, 0o600, atomicfile.Durable)
}

// checkpointTimes are zero for what never was.
func (c *container) checkpointTimes() (t checkpointTimes) {
	raw, err := os.ReadFile(c.timesFile())
	if err == nil {
		_ = json.Unmarshal(raw, &t) // only shown
	}
	return t
}

// Restore lets a container that was checkpointed go on.
func (r *Runtime) Restore(ctx context.Context, id string, o RestoreOptions) (CheckpointReport, error) {
	report := CheckpointReport{ID: id}
	if err := (criu.Program{}).Check(ctx); err != nil {
		return report, err
	}
	return report, r.update(ctx, id, func(ctx context.Context, c *locked) error {
		if c.status().Live() || c.status() == define.StatusRestarting {
			return c.wrongState("restore", "stopped")
		}
		if !exists(filepath.Join(c.rt.paths.staticDir(id), imagesDir)) {
			return c.fail("restore", errdefs.ErrState, errors.New("it has no checkpoint"), fmt.Sprintf("start it with \"manager start %s\"", c.row.Name))
		}
		return c.restore(ctx, &o, &report)
	})
}

// restore starts a container with its images.
func (c *locked) restore(ctx context.Context, o *RestoreOptions, report *CheckpointReport) error {
	dir := c.rt.paths.staticDir(c.row.ID)
	from := oci.RestoreRequest{
		Images: filepath.Join(dir, imagesDir), Work: filepath.Join(dir, criuDir),
		TCPEstablished: o.TCPEstablished, TCPClose: o.TCPClose, FileLocks: o.FileLocks,
	}
	if err := errors.Join(removeAll(from.Work), mkdir(from.Work)); err != nil {
		return err
	}
	s := &start{locked: c, images: &from}
	defer s.closeExtra()
	began := time.Now()
	if err := s.prepare(ctx); err != nil {
		return c.namedLog(err, from.Work)
	}
	if _, err := s.begun(ctx, nil); err != nil {
		return err
	}
	c.emit(eventlog.Restore)
	report.Runtime = time.Since(began).Microseconds()
	report.CRIU, _ = criu.ReadStats(from.Work, criu.Restore)
	if err := c.noteTimes(checkpointTimes{Restored: time.Now()}); err != nil || o.Keep {
		return err
	}
	return errors.Join(removeAll(from.Images), removeAll(filepath.Join(dir, preImagesDir)), removeAll(from.Work))
}
