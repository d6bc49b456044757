package proctable

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// SameNamespace lists the processes of a process's pid namespace, in order. In the pid namespace of the caller it is
// alone: the others there are anybody's.
func SameNamespace(pid int) ([]int, error) {
	theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
	if err != nil {
		return nil, err
	}
	if own, err := os.Readlink("/proc/self/ns/pid"); err != nil || own == theirs {
		return []int{pid}, err
	}
	links, err := filepath.Glob("/proc/[0-9]*/ns/pid")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, link := range links {
		// One that ends meanwhile, or that the caller may not look at, is in no container of his.
		if name, err := os.Readlink(link); err == nil && name == theirs {
			n, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(link))))
			if err != nil {
				return nil, err
			}
			pids = append(pids, n)
		}
	}
	slices.Sort(pids)
	return pids, nil
}
