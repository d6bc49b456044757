package image

import (
	"context"
	"fmt"
	"runtime/metrics"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
)

// maxHeapGrowth is how much a list of tags may cost, in bytes: far above that of the
// largest repositories.
const maxHeapGrowth = 128 << 20

// withHeapBound returns a context that ends when the heap has grown by more than limit
// bytes. The image library reads the list of tags without a bound and takes no reader or
// HTTP client of ours, so an endless answer can only be noticed by what it does.
func withHeapBound(ctx context.Context, limit uint64) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	begin := heapBytes()
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if now := heapBytes(); now > begin+limit {
				cancel(fmt.Errorf("%w: the registry's answer does not end", errdefs.ErrCorrupt))
				return
			}
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}

// heapBytes is the memory that objects take up, live or not yet collected.
func heapBytes() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
