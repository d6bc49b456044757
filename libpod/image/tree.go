package image

import (
	"encoding/json"
	"slices"

	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/storage"
)

// parentOf finds the image that this one was built upon: the one whose top layer lies
// directly below, or is the same with a shorter, equal history. Nil when there is none.
func parentOf(store storage.Store, img Image) *storage.Image {
	if img.TopLayer == "" {
		return nil
	}
	layer, err := store.Layer(img.TopLayer)
	if err != nil {
		return nil
	}
	history := historyOf(store, img)
	for _, top := range []string{img.TopLayer, layer.Parent} {
		if top == "" {
			continue
		}
		recs, err := store.ImagesByTopLayer(top)
		if err != nil {
			continue
		}
		for _, rec := range recs {
			if rec.ID != img.ID && isPrefix(historyOf(store, fromRecord(rec, "")), history) {
				return rec
			}
		}
	}
	return nil
}

// hasChildren says whether another image was built upon this one.
func hasChildren(store storage.Store, img Image) bool {
	all, err := allImages(store)
	if err != nil {
		return true
	}
	return slices.ContainsFunc(all, func(other storage.Image) bool {
		if other.ID == img.ID {
			return false
		}
		p := parentOf(store, fromRecord(&other, ""))
		return p != nil && p.ID == img.ID
	})
}

// historyOf is the image's history, unchecked; nil when it cannot be read.
func historyOf(store storage.Store, img Image) []imgspec.History {
	d, err := configDigest(store, img)
	if err != nil {
		return nil
	}
	raw, err := store.ImageBigData(img.ID, d.String())
	if err != nil || len(raw) > maxDocument {
		return nil
	}
	var doc document
	if json.Unmarshal(raw, &doc) != nil {
		return nil
	}
	return doc.History
}

// isPrefix says that a is a proper beginning of b.
func isPrefix(a, b []imgspec.History) bool {
	if len(a) == 0 || len(a) >= len(b) {
		return false
	}
	for i := range a {
		if a[i].CreatedBy != b[i].CreatedBy || a[i].EmptyLayer != b[i].EmptyLayer || a[i].Comment != b[i].Comment {
			return false
		}
		if (a[i].Created == nil) != (b[i].Created == nil) || a[i].Created != nil && !a[i].Created.Equal(*b[i].Created) {
			return false
		}
	}
	return true
}
