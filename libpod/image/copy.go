//go:build !lean

package image

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/docker/reference"
	imgimage "go.podman.io/image/v5/image"
	imgstorage "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage"

	"github.com/manager-project/manager/internal/fault"
)

// parallelBlobs is how many blobs are transferred at the same time.
const parallelBlobs = 6

// transfer is one image on its way from a source into the store.
type transfer struct {
	sys      *types.SystemContext
	src      types.ImageReference
	label    string            // the source in the user's terms
	names    []reference.Named // names to give; none keeps the image nameless
	progress ProgressFunc
	previous string // id of the image that had names[0] before, or ""
}

// copyIn copies one image into the store, checks its config, and gives it its names.
// The image is visible by name only when it is complete.
func (s *Service) copyIn(ctx context.Context, t transfer) (_ Image, err error) {
	store, err := s.Store()
	if err != nil {
		return Image{}, err
	}
	// The image library's own temporary files go into it, so that a kill leaves none for good.
	temp, err := newScratch(s.tempBase(), tempPrefix)
	if err != nil {
		return Image{}, err
	}
	defer func() { err = errors.Join(err, temp.remove()) }()
	sys := *t.sys
	sys.BigFilesTemporaryDir = temp.path
	t.sys = &sys
	guarded := guardedStore{Store: store, ctx: ctx}
	if len(t.names) > 0 {
		guarded.name = t.names[0].String()
	}
	dest, err := destination(ctx, guarded, t)
	if err != nil {
		return Image{}, err
	}
	policy, err := policyContext(t.sys)
	if err != nil {
		return Image{}, err
	}
	defer func() { _ = policy.Destroy() }()
	if len(t.names) > 0 {
		if rec, err := store.Image(t.names[0].String()); err == nil {
			t.previous = rec.ID
		}
	}
	if w, ok := s.groundWarning(); ok {
		t.progress.send(Event{Kind: EventWarning, Name: t.label, Warning: w})
	}
	var resolved types.ImageReference
	for tries := 0; ; tries++ {
		ch, stop := t.progress.channel(t.label)
		_, err = copy.Image(ctx, policy, dest, endable(t.src), &copy.Options{
			SourceCtx: t.sys, DestinationCtx: t.sys,
			Progress: ch, ProgressInterval: progressInterval,
			MaxParallelDownloads: parallelBlobs, ReportResolvedReference: &resolved,
		})
		stop()
		if err == nil || !layerWent(err) || tries == layerTries || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return Image{}, err
	}
	fault.Point("image: stored")
	return s.admit(ctx, store, resolved, t)
}

// layerTries is how often a copy is begun again whose layers are removed under it.
const layerTries = 10

// layerWent says that a layer which was there already, and so was not copied, was removed before the image was stored: the
// library notes what it can reuse first and holds no lock until it uses it. For one of the ways in which it finds out
// there is nothing but the text. Source: go.podman.io/image/v5 v5.41.2, storage/storage_dest.go, createNewLayer.
func layerWent(err error) bool {
	text := err.Error()
	return errors.Is(err, storage.ErrLayerUnknown) || errors.Is(err, storage.ErrParentUnknown) ||
		strings.Contains(text, "layer for blob ") && strings.Contains(text, " not found")
}

// destination is where in the store the image goes: under its first name, or without a
// name under the id that its config's digest gives.
func destination(ctx context.Context, store storage.Store, t transfer) (types.ImageReference, error) {
	if len(t.names) > 0 {
		return imgstorage.Transport.NewStoreReference(store, t.names[0], "")
	}
	src, err := t.src.NewImageSource(ctx, t.sys)
	if err != nil {
		return nil, err
	}
	defer func() { _ = src.Close() }()
	img, err := imgimage.FromUnparsedImage(ctx, t.sys, imgimage.UnparsedInstance(src, nil))
	if err != nil {
		return nil, err
	}
	d := img.ConfigInfo().Digest
	if err := d.Validate(); err != nil {
		return nil, fmt.Errorf("config digest %q: %w", printable(d.String()), err)
	}
	return imgstorage.Transport.NewStoreReference(store, nil, d.Encoded())
}

// admit looks at the image that was just stored: one that no container may be made from
// is taken out again, unless it was there before under another name.
func (s *Service) admit(ctx context.Context, store storage.Store, ref types.ImageReference, t transfer) (Image, error) {
	if ref == nil {
		return Image{}, errors.New("the store did not tell which image was made")
	}
	_, rec, err := imgstorage.ResolveReference(ref)
	if err != nil {
		return Image{}, err
	}
	img := fromRecord(rec, "")
	if err := checkManifests(store, rec); err != nil {
		return Image{}, errors.Join(err, takeBack(store, rec, t))
	}
	cfg, err := s.Config(ctx, img)
	if err != nil {
		return Image{}, errors.Join(err, takeBack(store, rec, t))
	}
	for _, w := range cfg.Warnings {
		t.progress.send(Event{Kind: EventWarning, Name: t.label, Warning: w})
	}
	var names []string
	for _, n := range t.names {
		names = append(names, n.String())
	}
	if len(names) > 1 {
		if err := store.AddNames(rec.ID, names[1:]); err != nil {
			return Image{}, err
		}
		fault.Point("image: named")
	}
	if rec, err = store.Image(rec.ID); err != nil {
		return Image{}, err
	}
	img = fromRecord(rec, "")
	img.Stored = names
	if len(names) > 0 {
		img.Name = names[0]
	}
	return img, nil
}

// takeBack removes a refused image again and gives its name back to the image that had it.
func takeBack(store storage.Store, rec *storage.Image, t transfer) error {
	if rec.ID == t.previous {
		return nil
	}
	if len(t.names) > 0 {
		name := []string{t.names[0].String()}
		if err := store.RemoveNames(rec.ID, name); err != nil {
			return err
		}
		fault.Point("image: name taken back")
		if t.previous != "" {
			if err := store.AddNames(t.previous, name); err != nil {
				return err
			}
		}
	}
	now, err := store.Image(rec.ID)
	if err != nil || len(now.Names) > 0 {
		return err
	}
	_, err = store.DeleteImage(rec.ID, true)
	fault.Point("image: taken back")
	return err
}
