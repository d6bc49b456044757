package image

import (
	"context"
	"time"
)

// Step is one line of an image's history, newest first. The JSON form is that of Podman.
type Step struct {
	// ID is the image that ends with this step, when the store has it; "<missing>" otherwise.
	ID string `json:"id"`
	// Created is when the step was done.
	Created *time.Time `json:"created"`
	// CreatedBy is the command of the step.
	CreatedBy string `json:"CreatedBy"`
	// Size is the size in bytes of the step's layer, uncompressed; 0 for a step without one.
	Size int64 `json:"size"`
	// Comment is the step's comment.
	Comment string `json:"comment"`
	// Tags are the names of the image that ends with this step.
	Tags []string `json:"tags"`
}

// missingID stands for a step's image that is not in the store.
const missingID = "<missing>"

// History returns the steps by which the image was made, newest first. An image whose
// config has no history shows one step for each layer. Errors: those of Resolve and Config.
func (s *Service) History(ctx context.Context, name string) ([]Step, error) {
	img, err := s.Resolve(ctx, name)
	if err != nil {
		return nil, err
	}
	cfg, err := s.Config(ctx, img)
	if err != nil {
		return nil, err
	}
	store, err := s.readable()
	if err != nil {
		return nil, err
	}
	l, err := s.newListing(ctx, store, ListOptions{})
	if err != nil {
		return nil, err
	}
	var steps []Step
	layer := l.layers[img.TopLayer]
	for i := len(cfg.History) - 1; i >= 0; i-- {
		h := cfg.History[i]
		step := Step{ID: missingID, Created: h.Created, CreatedBy: h.CreatedBy, Comment: h.Comment}
		if !h.EmptyLayer && layer != nil {
			step.Size = max(layer.UncompressedSize, 0)
			layer = l.layers[layer.Parent]
		}
		steps = append(steps, step)
	}
	for ; layer != nil && len(cfg.History) == 0; layer = l.layers[layer.Parent] {
		steps = append(steps, Step{ID: missingID, Size: max(layer.UncompressedSize, 0)})
	}
	// The image itself and its parents end at known steps.
	for rec, n := img.record, 0; rec != nil && n < len(steps); {
		steps[n].ID, steps[n].Tags = rec.ID, rec.Names
		parent := parentOf(store, fromRecord(rec, ""))
		if parent == nil {
			break
		}
		n = len(cfg.History) - len(historyOf(store, fromRecord(parent, "")))
		rec = parent
	}
	return steps, nil
}
