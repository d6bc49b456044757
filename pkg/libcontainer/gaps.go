package libcontainer

import (
	"os"
	"slices"
	"sync"
)

// null stands for descriptors that are not passed on. It is opened once and stays open.
var null = sync.OnceValues(func() (*os.File, error) { return os.Open(os.DevNull) })

// FillGaps puts something harmless into the gaps (nil) of a list of descriptors, which travels without
// gaps, and returns the numbers that the program must not have.
func FillGaps(files []*os.File) (filled []*os.File, gaps []int, err error) {
	for i, f := range files {
		if f != nil {
			continue
		}
		if gaps == nil {
			files = slices.Clone(files)
		}
		if files[i], err = null(); err != nil {
			return nil, nil, err
		}
		gaps = append(gaps, i+3)
	}
	return files, gaps, nil
}
