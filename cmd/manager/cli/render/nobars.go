//go:build lean

package render

import (
	"io"

	"github.com/manager-project/manager/libpod/image"
)

// bars shows nothing: where there are no transfers, there is no progress.
type bars struct{}

func (bars) show(io.Writer, image.Event) {}

func (bars) above(out io.Writer) io.Writer { return out }

func (bars) finish() {}
