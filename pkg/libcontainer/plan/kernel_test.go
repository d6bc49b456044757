package plan

import (
	"slices"
	"testing"
)

func TestKernelMounts(t *testing.T) {
	var k KernelMounts[int]
	for handle, target := range []string{"/proc", "/sys/", "/deep/proc", "/deep/proc/in/sys"} {
		k.Add(target, handle)
	}
	find := func(p string, want int, rest string, found bool) {
		t.Helper()
		if got, below, ok := k.Find(p); got != want || below != rest || ok != found {
			t.Errorf("%s: %d %q %v", p, got, below, ok)
		}
	}
	find("/proc/kcore", 0, "kcore", true)
	find("/proc/../sys//firmware/", 1, "firmware", true)
	find("/deep/proc/x", 2, "x", true)
	find("/deep/proc/in/sys/x", 3, "x", true)
	for _, p := range []string{"/proc", "/procs/x", "/", "/etc/proc/x"} {
		find(p, 0, "", false)
	}
	for target, want := range map[string][]int{"/dev": nil, "/proc/x": nil, "/deep/": {2, 3}, "/sys": {1}} {
		if got := k.Hide(target); !slices.Equal(got, want) {
			t.Errorf("%s hides %v", target, got)
		}
	}
	find("/deep/proc/x", 0, "", false)
	find("/proc/x", 0, "x", true)
	if got := k.Hide("/"); !slices.Equal(got, []int{0}) {
		t.Errorf("/ hides %v", got)
	}
}
