package libpod

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/libpod/checkpoint"
	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/criu"
	"github.com/manager-project/manager/pkg/spec"
)

// ExportOptions say where a checkpoint is put together as an archive.
type ExportOptions struct {
	// Path is the file, "" for none. It appears when it is whole; one that is there is replaced.
	Path string
	// Compress is gzip, zstd or none.
	Compress string
	// IgnoreRootfs leaves out what changed in the root filesystem, IgnoreVolumes what is in volumes.
	IgnoreRootfs, IgnoreVolumes bool
}

// ImportOptions of RestoreArchive.
type ImportOptions struct {
	RestoreOptions
	// Path is the archive, Previous the one of its pre-checkpoint or "".
	Path, Previous string
	// Name is the new container's; "" takes the archive's, and its id.
	Name string
	// IgnoreRootfs leaves the root filesystem as the image has it. IgnoreVolumes takes volumes as they are, or makes them
	// anew.
	IgnoreRootfs, IgnoreVolumes bool
}

// archive writes a checkpoint to a file beside the one it is to become.
func (c *locked) archive(ctx context.Context, o *ExportOptions, p *portable, images string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(o.Path), "."+filepath.Base(o.Path)+"-")
	if err != nil {
		return errdefs.Invalid("--export", o.Path, "%w", err).WithHint("name a file in a directory that can be written to")
	}
	defer func() {
		_ = f.Close()
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	w, err := checkpoint.NewWriter(f, o.Compress)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(p)
	if err != nil {
		return err
	}
	dir, err := os.OpenRoot(images)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	name := checkpoint.ImagesDir
	if p.Pre {
		name = checkpoint.PreDir
	}
	if err := errors.Join(w.Add(checkpoint.ConfigName, int64(len(raw)), bytes.NewReader(raw)), w.AddDir(name, dir)); err != nil {
		return err
	}
	if !o.IgnoreRootfs && !p.Pre {
		if err := c.archiveRootfs(ctx, w); err != nil {
			return err
		}
	}
	if p.VolumesIn {
		if err := c.archiveVolumes(ctx, w, p); err != nil {
			return err
		}
	}
	if err := errors.Join(w.Close(), f.Sync()); err != nil {
		return err
	}
	fault.Point("export: written")
	return os.Rename(f.Name(), o.Path)
}

// archiveRootfs adds the root filesystem's changes.
func (c *locked) archiveRootfs(ctx context.Context, w *checkpoint.Writer) error {
	images, err := c.rt.Images(ctx)
	if err != nil {
		return err
	}
	diff, err := images.DiffRootfs(c.row.ID)
	if err != nil {
		return err
	}
	return c.spool(w, checkpoint.RootfsName, diff)
}

// checkExport refuses, before anything is done, what cannot become an archive.
func (c *locked) checkExport(ctx context.Context, o *ExportOptions) (*portable, error) {
	if o.Path == "" {
		return nil, nil
	}
	if _, err := checkpoint.NewWriter(io.Discard, o.Compress); err != nil {
		return nil, err
	}
	var err error
	if o.Path, err = filepath.Abs(o.Path); err != nil {
		return nil, err
	}
	if st, err := os.Stat(filepath.Dir(o.Path)); err != nil || !st.IsDir() {
		return nil, errdefs.Invalid("--export", o.Path, "there is no such directory").WithHint("make it first")
	}
	if !o.IgnoreVolumes {
		if err := c.checkVolumesExport(ctx); err != nil {
			return nil, err
		}
	}
	return c.rt.exportable(ctx, c.cfg)
}

// RestoreArchive makes a container of an archive and lets it go on. An error leaves nothing.
func (r *Runtime) RestoreArchive(ctx context.Context, o ImportOptions) (CheckpointReport, error) {
	var report CheckpointReport
	if o.Name != "" && !define.ValidName(o.Name) {
		return report, invalidName("--name", o.Name)
	}
	f, a, p, err := openArchive("--import", o.Path)
	if err != nil {
		return report, err
	}
	defer func() { a.Close(); _ = f.Close() }()
	if p.Pre {
		return report, errdefs.Invalid("--import", o.Path, "it is a pre-checkpoint").WithHint("give it with --import-previous, and the checkpoint that follows it with --import")
	}
	if p.Previous != (o.Previous != "") {
		return report, errdefs.Invalid("--import-previous", o.Previous, "the archive %s", map[bool]string{true: "needs its pre-checkpoint", false: "needs none"}[p.Previous]).
			WithHint("give what --pre-checkpoint --export wrote, for an archive of --with-previous")
	}
	if err := (criu.Program{}).Check(ctx); err != nil {
		return report, err
	}
	cfg, err := r.decideImport(ctx, p, &o)
	if err != nil {
		return report, err
	}
	made, err := r.checkVolumesImport(ctx, p, o.IgnoreVolumes)
	if err != nil {
		return report, err
	}
	report.ID = cfg.ID
	err = r.make(ctx, cfg, false, nil, nil, func(ctx context.Context, c *locked) error {
		if err := c.unpack(ctx, a, p, &o); err != nil {
			return err
		}
		return c.restore(ctx, &o.RestoreOptions, &report)
	})
	if err != nil {
		return report, errors.Join(err, r.removeMade(context.WithoutCancel(ctx), made))
	}
	return report, nil
}

func openArchive(option, path string) (*os.File, *checkpoint.Reader, *portable, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err == nil {
		var st os.FileInfo
		if st, err = f.Stat(); err == nil && !st.Mode().IsRegular() {
			err = errors.Join(errors.New("not a regular file"), f.Close())
		}
	}
	if err != nil {
		var file *os.PathError
		if errors.As(err, &file) {
			err = file.Err
		}
		return nil, nil, nil, errdefs.Invalid(option, path, "%w", err).WithHint("name a file that --export wrote")
	}
	a, err := checkpoint.NewReader(path, f)
	if err != nil {
		return nil, nil, nil, errors.Join(err, f.Close())
	}
	p := &portable{}
	if err = a.Config(p); err == nil {
		err = p.check(path)
	}
	if err != nil {
		a.Close()
		return nil, nil, nil, errors.Join(err, f.Close())
	}
	return f, a, p, nil
}

// decideImport decides the container anew, with nothing but what create would give.
func (r *Runtime) decideImport(ctx context.Context, p *portable, o *ImportOptions) (*spec.Config, error) {
	req := p.request()
	if o.Name != "" {
		req.Life.Name = o.Name
	}
	img, _, err := r.prepareImage(ctx, req, nil)
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil, &errdefs.Error{
			Op: "import", Kind: "image", Name: p.Image.ID, Class: errdefs.ErrNotFound, Cause: fmt.Errorf("the checkpoint was made on it (%s), and it is not here", first(p.Image.Name, "no name")),
			Hint: "pull or load that image first",
		}
	}
	if err != nil {
		return nil, err
	}
	cfg, _, err := r.decide(ctx, req, img)
	if err != nil {
		return nil, err
	}
	if o.Name != "" {
		return cfg, nil
	}
	// CRIU puts the processes back into cgroups of the same name where it can.
	if _, err := r.state.Container(ctx, p.ID); err == nil {
		return nil, &errdefs.Error{
			Op: "import", Kind: "container", Name: define.ShortID(p.ID), Class: errdefs.ErrExists, Cause: errors.New("the container of the checkpoint is here"),
			Hint: "remove it, or give the new one another --name",
		}
	}
	cfg.ID = p.ID
	return cfg, nil
}

// unpack fills a new container from archives.
func (c *locked) unpack(ctx context.Context, a *checkpoint.Reader, p *portable, o *ImportOptions) error {
	dir, err := os.OpenRoot(c.rt.paths.staticDir(c.row.ID))
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	if o.Previous != "" {
		f, before, p, err := openArchive("--import-previous", o.Previous)
		if err != nil {
			return err
		}
		defer func() { before.Close(); _ = f.Close() }()
		if !p.Pre {
			return errdefs.Invalid("--import-previous", o.Previous, "it is no pre-checkpoint").WithHint("give what --pre-checkpoint --export wrote")
		}
		if err := c.extract(before, dir); err != nil {
			return err
		}
	}
	if err := c.extract(a, dir); err != nil {
		return err
	}
	if o.Previous != "" {
		if err := dir.Symlink("../"+preImagesDir, filepath.Join(imagesDir, "parent")); err != nil {
			return err
		}
	}
	if err := c.applyRootfs(ctx, dir, o.IgnoreRootfs); err != nil {
		return err
	}
	return c.unpackVolumes(ctx, dir, p, o.IgnoreVolumes)
}

func (c *locked) extract(a *checkpoint.Reader, dir *os.Root) error {
	var st unix.Statfs_t
	if err := unix.Statfs(c.rt.paths.staticDir(c.row.ID), &st); err != nil {
		return err
	}
	return a.Extract(dir, checkpoint.Free(st.Bavail*uint64(st.Bsize)))
}

// applyRootfs puts the archive's changes over the new layer.
func (c *locked) applyRootfs(ctx context.Context, dir *os.Root, ignore bool) error {
	f, err := dir.Open(checkpoint.RootfsName)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if !ignore {
		st, err := f.Stat()
		if err != nil {
			return err
		}
		images, err := c.rt.Images(ctx)
		if err != nil {
			return err
		}
		if err := images.ApplyRootfs(ctx, c.row.ID, f, st.Size()); err != nil {
			return err
		}
	}
	return dir.Remove(checkpoint.RootfsName)
}
