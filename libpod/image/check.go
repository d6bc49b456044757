package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"go.podman.io/storage"

	"github.com/manager-project/manager/pkg/errdefs"
)

// The kinds of what Check looks at.
const (
	KindLayer     = "layer"
	KindImage     = "image"
	KindContainer = "container"
)

// CheckOptions say how closely the store is looked at.
type CheckOptions struct {
	// Quick leaves out the comparison of every layer's tree with what was stored: files that are too many, other owners, modes and times.
	Quick bool
	// MaxAge is how old a layer may be that neither an image nor a container has: it may be one that is being pulled.
	MaxAge time.Duration
}

// Damage is an object of the store that is not as it was stored, or that nothing needs.
type Damage struct {
	// Kind is one of the Kind constants.
	Kind string
	ID   string
	// Names are an image's or a container's.
	Names []string
	// Foreign is what another store or another program has: it is not repaired here.
	Foreign bool
	// Layers are the damaged layers that it has, Image the damaged image; the rest is its own.
	Layers []string
	Image  string
	// Problems are what is wrong with it, a line each, with the file where it is one.
	Problems []string
}

// A Check is what Service.Check found.
type Check struct {
	// Damage is in the order layers, images, containers.
	Damage []Damage

	report storage.CheckReport
}

// Check compares the store with what it has written down. It changes nothing, holds the store's locks, and reads every
// layer, which may take minutes.
func (s *Service) Check(ctx context.Context, o CheckOptions) (*Check, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	store, err := s.Store()
	if err != nil {
		return nil, err
	}
	opts := storage.CheckEverything()
	if o.Quick {
		opts = storage.CheckMost()
	}
	opts.LayerUnreferencedMaximumAge = &o.MaxAge
	report, err := store.Check(opts)
	if err != nil {
		return nil, checkError(err)
	}
	if err := pardonOurs(store, &report); err != nil {
		return nil, err
	}
	if err := checkDigests(store, &report); err != nil {
		return nil, err
	}
	c := &Check{report: report}
	c.describe(store)
	return c, nil
}

func checkError(err error) error {
	return &errdefs.Error{Op: "check", Kind: "image store", Class: errdefs.ErrUnavailable, Cause: oneLine(err)}
}

// pardonOurs takes out of the report the layers that nothing in the store's own records needs, and something in ours does: those
// with other owners (see CreateShiftedRootfs) and what lies over them.
func pardonOurs(store storage.Store, report *storage.CheckReport) error {
	layers, err := store.Layers()
	if err != nil {
		return storeReadError(err)
	}
	containers, err := store.Containers()
	if err != nil {
		return storeReadError(err)
	}
	parents, needed := map[string]string{}, map[string]bool{}
	for i := range layers {
		parents[layers[i].ID] = layers[i].Parent
		needed[layers[i].ID] = isShifted(&layers[i])
	}
	for i := range containers {
		for layer := layerOf(&containers[i]); layer != ""; layer = parents[layer] {
			needed[layer] = true
		}
	}
	for id, errs := range report.Layers {
		if !needed[id] {
			continue
		}
		errs = slices.DeleteFunc(errs, func(err error) bool { return errors.Is(err, storage.ErrLayerUnreferenced) })
		if report.Layers[id] = errs; len(errs) == 0 {
			delete(report.Layers, id)
		}
	}
	return nil
}

// errDigest says that the bytes of an image's item are not those that its name promises.
var errDigest = errors.New("its content is not what was stored")

// checkDigests adds what the store's own check does not look at: the digests of manifests and configurations.
func checkDigests(store storage.Store, report *storage.CheckReport) error {
	images, err := store.Images()
	if err != nil {
		return storeReadError(err)
	}
	for i := range images {
		img := &images[i]
		for _, key := range img.BigDataNames {
			want, err := digest.Parse(strings.TrimPrefix(key, "manifest-"))
			if err != nil {
				continue
			}
			data, err := store.ImageBigData(img.ID, key)
			if err != nil || want.Algorithm().FromBytes(data) == want || isSigned(data) {
				continue // what cannot be read was found already
			}
			into := report.Images
			if img.ReadOnly {
				into = report.ROImages
			}
			into[img.ID] = append(into[img.ID], fmt.Errorf("image %s: data item %q: %w", img.ID, key, errDigest))
		}
	}
	return nil
}

// isSigned says that a manifest is of the old kind, whose digest leaves out the signatures in it.
func isSigned(data []byte) bool {
	var m struct {
		SchemaVersion int `json:"schemaVersion"`
	}
	return bytes.HasPrefix(data, []byte("{")) && json.Unmarshal(data, &m) == nil && m.SchemaVersion == 1
}

// describe says what was found in our words.
func (c *Check) describe(store storage.Store) {
	for _, part := range []struct {
		kind    string
		foreign bool
		errs    map[string][]error
	}{
		{KindLayer, false, c.report.Layers},
		{KindLayer, true, c.report.ROLayers},
		{KindImage, false, c.report.Images},
		{KindImage, true, c.report.ROImages},
		{KindContainer, false, c.report.Containers},
	} {
		var found []Damage
		for id, errs := range part.errs {
			d := Damage{Kind: part.kind, ID: id, Foreign: part.foreign}
			switch part.kind {
			case KindImage:
				if img, err := store.Image(id); err == nil {
					d.Names = img.Names
				}
			case KindContainer:
				if ctr, err := store.Container(id); err == nil {
					d.Names, d.Foreign = containerNames(ctr), !isOurs(ctr)
					if len(c.report.Images[ctr.ImageID])+len(c.report.ROImages[ctr.ImageID]) > 0 {
						d.Image = ctr.ImageID
					}
				}
			}
			c.sort(&d, errs)
			found = append(found, d)
		}
		slices.SortFunc(found, func(a, b Damage) int { return strings.Compare(a.ID, b.ID) })
		c.Damage = append(c.Damage, found...)
	}
}

// sort tells an object's own problems from those of what it stands on, which the store reports for both.
func (c *Check) sort(d *Damage, errs []error) {
	inherited := map[error]string{}
	note := func(below map[string][]error) {
		for id, list := range below {
			for _, err := range list {
				inherited[err] = id
			}
		}
	}
	if d.Kind != KindLayer {
		note(c.report.Layers)
		note(c.report.ROLayers)
	}
	ofImage := map[error]bool{}
	if d.Kind == KindContainer {
		for _, images := range []map[string][]error{c.report.Images, c.report.ROImages} {
			for _, err := range images[d.Image] {
				ofImage[err] = true
			}
		}
	}
	for _, err := range errs {
		switch layer := inherited[err]; {
		case ofImage[err]:
		case layer == "":
			text := strings.TrimPrefix(strings.TrimPrefix(oneLine(err).Error(), "read-only "), d.Kind+" "+d.ID+": ")
			d.Problems = append(d.Problems, text)
		case !slices.Contains(d.Layers, layer):
			d.Layers = append(d.Layers, layer)
		}
	}
	slices.Sort(d.Layers)
	d.Problems = withoutEchoes(d.Problems)
}

// withoutEchoes drops what is said once more with an introduction.
func withoutEchoes(lines []string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
		return slices.ContainsFunc(lines, func(other string) bool { return strings.HasSuffix(line, ": "+other) })
	})
}

// containerNames are the names by which people know the container of a record.
func containerNames(ctr *storage.Container) []string {
	if name := metadataOf(ctr).Name; name != "" {
		return []string{name}
	}
	return ctr.Names
}

// Repair removes the damaged images and layers, and the layers that nothing needs, and says which. What a container
// stands on stays. The errors are of single objects: the others are gone.
func (s *Service) Repair(ctx context.Context, c *Check) ([]Damage, error) {
	store, err := s.Store()
	if err != nil {
		return nil, err
	}
	kept, err := inUseByContainers(store)
	if err != nil {
		return nil, err
	}
	report := c.report
	report.Containers = nil
	var removed []Damage
	var errs []error
	for i := range c.Damage {
		d := &c.Damage[i]
		if d.Foreign || d.Kind == KindContainer {
			continue
		}
		if kept[d.ID] {
			delete(report.Images, d.ID)
			delete(report.Layers, d.ID)
			continue
		}
		if d.Kind == KindImage {
			if img, err := store.Image(d.ID); err == nil {
				if err := dropShifted(ctx, store, img.TopLayer); err != nil {
					errs = append(errs, err)
				}
			}
		}
		removed = append(removed, *d)
	}
	for _, err := range store.Repair(report, &storage.RepairOptions{}) {
		errs = append(errs, checkError(err))
	}
	for i := range removed {
		if removed[i].Kind == KindImage {
			s.removed(&Removed{ID: removed[i].ID, Untagged: removed[i].Names, Deleted: []string{removed[i].ID}})
		}
	}
	return removed, errors.Join(errs...)
}

// inUseByContainers are the images and layers that containers stand on.
func inUseByContainers(store storage.Store) (map[string]bool, error) {
	containers, err := store.Containers()
	if err != nil {
		return nil, storeReadError(err)
	}
	layers, err := store.Layers()
	if err != nil {
		return nil, storeReadError(err)
	}
	parents := map[string]string{}
	for i := range layers {
		parents[layers[i].ID] = layers[i].Parent
	}
	used := map[string]bool{}
	for i := range containers {
		used[containers[i].ImageID] = true
		for _, layer := range []string{containers[i].LayerID, layerOf(&containers[i])} {
			for ; layer != "" && !used[layer]; layer = parents[layer] {
				used[layer] = true
			}
		}
	}
	return used, nil
}

// Recorded are the ids of the containers of this program that the store has a record of.
func (s *Service) Recorded() ([]string, error) {
	store, err := s.Store()
	if err != nil {
		return nil, err
	}
	records, err := store.Containers()
	if err != nil {
		return nil, storeReadError(err)
	}
	var ids []string
	for i := range records {
		if isOurs(&records[i]) {
			ids = append(ids, records[i].ID)
		}
	}
	return ids, nil
}
