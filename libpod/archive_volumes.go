package libpod

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/manager-project/manager/libpod/checkpoint"
	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/libpod/state"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/spec"
)

// portableVolume is a volume of a container in an archive. Its content is the entry of its number.
type portableVolume struct {
	// Name is "" for one that comes and goes with the container.
	Name        string `json:"name,omitempty"`
	Destination string `json:"destination"`
	ReadOnly    bool   `json:"read_only,omitempty"`
}

// portableVolumes are the volumes among mounts.
func portableVolumes(mounts []spec.Mount) []portableVolume {
	var list []portableVolume
	for i := range mounts {
		m := &mounts[i]
		if m.Kind != spec.MountVolume {
			continue
		}
		v := portableVolume{Destination: m.Destination, ReadOnly: slices.Contains(m.Options, "ro")}
		if !m.Anonymous {
			v.Name = m.Source
		}
		list = append(list, v)
	}
	return list
}

// words are the option --volume of create.
func (v *portableVolume) words() string {
	word := v.Destination
	if v.Name != "" {
		word = v.Name + ":" + word
	}
	if v.ReadOnly {
		word += ":ro"
	}
	return word
}

// checkVolumes refuses what no export writes.
func (p *portable) checkVolumes() error {
	if len(p.Volumes) > checkpoint.MaxVolumes {
		return fmt.Errorf("it has more than %d volumes", checkpoint.MaxVolumes)
	}
	seen := map[string]bool{}
	for _, v := range p.Volumes {
		switch {
		case v.Name != "" && !define.ValidName(v.Name):
			return fmt.Errorf("%q is no name of a volume", v.Name)
		case !filepath.IsAbs(v.Destination) || filepath.Clean(v.Destination) != v.Destination || v.Destination == "/":
			return fmt.Errorf("%q is no place for a volume", v.Destination)
		case seen[v.Destination] || v.Name != "" && seen[v.Name]:
			return fmt.Errorf("the volume of %s is in it twice", v.Destination)
		}
		seen[v.Destination], seen[v.Name] = true, true
	}
	return nil
}

// archiveVolumes adds the content of the volumes, each of whose size is known once it is written.
func (c *locked) archiveVolumes(ctx context.Context, w *checkpoint.Writer, p *portable) error {
	for i, v := range p.Volumes {
		row, err := c.volumeAt(ctx, v.Destination)
		if err != nil {
			return err
		}
		content, err := image.PackDirectory(row.Path)
		if err == nil {
			err = c.spool(w, checkpoint.VolumeName(i), content)
		}
		if err != nil {
			return fmt.Errorf("volume %s: %w", row.Name, err)
		}
	}
	return nil
}

// spool adds an entry whose size nobody knows yet, and closes what it is read from.
func (c *locked) spool(w *checkpoint.Writer, name string, from io.ReadCloser) error {
	defer func() { _ = from.Close() }()
	spool, err := os.CreateTemp(c.rt.paths.staticDir(c.row.ID), "export-")
	if err != nil {
		return err
	}
	defer func() { _ = spool.Close() }()
	_ = os.Remove(spool.Name())
	size, err := io.Copy(spool, from)
	if err != nil {
		return err
	}
	if _, err := spool.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return w.Add(name, size, spool)
}

// volumeAt is the volume that the container has at a place.
func (c *container) volumeAt(ctx context.Context, destination string) (*state.Volume, error) {
	for i := range c.cfg.Mounts {
		if m := &c.cfg.Mounts[i]; m.Kind == spec.MountVolume && m.Destination == destination {
			return c.rt.state.Volume(ctx, m.Source)
		}
	}
	return nil, errdefs.NotFound("volume", destination)
}

// checkVolumesExport refuses volumes whose content is not in their directory.
func (c *locked) checkVolumesExport(ctx context.Context) error {
	for _, v := range portableVolumes(c.cfg.Mounts) {
		row, err := c.volumeAt(ctx, v.Destination)
		if err != nil {
			return err
		}
		if len(row.Options) > 0 {
			return errdefs.Unsupported("--export", "the volume %s, which was made with options, cannot be put into an archive", row.Name).
				WithHint("add --ignore-volumes to leave it behind")
		}
	}
	return nil
}

// checkVolumesImport refuses to let an archive have, or change, what is here already. made are the names that
// the import makes.
func (r *Runtime) checkVolumesImport(ctx context.Context, p *portable, ignore bool) (made []string, err error) {
	if len(p.Volumes) > 0 && !p.VolumesIn && !ignore {
		return nil, errdefs.Unsupported("--import", "volumes are not in the archive").WithHint("add --ignore-volumes to begin with new ones")
	}
	for _, v := range p.Volumes {
		if v.Name == "" {
			continue
		}
		_, err := r.state.Volume(ctx, v.Name)
		switch {
		case errors.Is(err, errdefs.ErrNotFound):
			made = append(made, v.Name)
		case err != nil:
			return nil, err
		case !ignore:
			return nil, &errdefs.Error{
				Op: "import", Kind: "volume", Name: v.Name, Class: errdefs.ErrExists, Cause: errors.New("it is here already"),
				Hint: "remove it, or add --ignore-volumes to use it as it is",
			}
		}
	}
	return made, nil
}

// unpackVolumes fills the volumes of a new container; with ignore the archive's content is thrown away.
func (c *locked) unpackVolumes(ctx context.Context, dir *os.Root, p *portable, ignore bool) error {
	for i, v := range p.Volumes {
		if ignore || !p.VolumesIn {
			break
		}
		row, err := c.volumeAt(ctx, v.Destination)
		if err == nil {
			err = fillVolume(ctx, row, dir, checkpoint.VolumeName(i))
		}
		if err != nil {
			return err
		}
		row.NeedsCopyUp, row.NeedsChown = false, false
		if err := c.rt.state.SetVolume(ctx, *row); err != nil {
			return err
		}
	}
	return dir.RemoveAll(checkpoint.VolumesDir)
}

func fillVolume(ctx context.Context, row *state.Volume, dir *os.Root, name string) error {
	f, err := dir.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return errdefs.New(errdefs.ErrCorrupt, "archive", "", "it lacks %s, the content of volume %s", name, row.Name).WithHint("export the checkpoint again")
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if err := image.UnpackDirectory(ctx, row.Path, f, st.Size()); err != nil {
		return fmt.Errorf("volume %s: %w", row.Name, err)
	}
	return nil
}

// removeMade removes the named volumes that a failed import has made.
func (r *Runtime) removeMade(ctx context.Context, names []string) error {
	var errs []error
	for _, name := range names {
		v, err := r.state.Volume(ctx, name)
		if err == nil {
			err = r.removeVolume(ctx, v)
		}
		if err != nil && !errors.Is(err, errdefs.ErrNotFound) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
