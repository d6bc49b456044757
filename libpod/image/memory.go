//go:build !lean

package image

import (
	"context"
	"errors"
	"runtime/metrics"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
)

// How much of the heap, in bytes, one operation may take up beyond what was in use.
const (
	maxTagsGrowth = 128 << 20 // far above the lists of the largest repositories
	// A pull of six large layers at a time was measured to stay below 100 MiB.
	maxPullGrowth = 512 << 20
	// Compressing takes buffers for each processor.
	maxPushGrowth = 2 << 30
)

// withHeapBound runs f and ends its context when the heap has grown by more than limit
// bytes. The image library reads some answers, those that tell errors and the list of tags
// among them, without a bound and takes no reader or HTTP client of ours, so an endless
// answer can only be noticed by what it does. Errors: ErrCorrupt then, else those of f.
func withHeapBound(ctx context.Context, limit uint64, f func(ctx context.Context) error) error {
	bounded, cancel := context.WithCancelCause(ctx)
	defer cancel(context.Canceled)
	begin := heapBytes()
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-bounded.Done():
				return
			case <-tick.C:
			}
			if now := heapBytes(); now > begin+limit {
				cancel(errEndless)
				return
			}
		}
	}()
	err := f(bounded)
	if err != nil && ctx.Err() == nil && errors.Is(context.Cause(bounded), errEndless) {
		return &errdefs.Error{Class: errdefs.ErrCorrupt, Cause: errEndless, Hint: "the registry is at fault; try another one, or later"}
	}
	return err
}

var errEndless = errors.New("the registry's answer does not end")

// heapBytes is the memory that objects take up, live or not yet collected.
func heapBytes() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
