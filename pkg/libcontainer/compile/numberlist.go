package compile

import (
	"fmt"
	"strconv"
	"strings"
)

// numberList reads the kernel's list format: "0-3,5,7-9". "" is no number. Source: cpuset(7), "List format".
func numberList(text string) ([]int, error) {
	const most = 1 << 13 // the kernel's bound on processors
	var out []int
	if text == "" {
		return nil, nil
	}
	for _, part := range strings.Split(strings.TrimSuffix(text, "\n"), ",") {
		lo, hi, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			hi = lo
		}
		a, errA := strconv.ParseUint(lo, 10, 16)
		b, errB := strconv.ParseUint(hi, 10, 16)
		if errA != nil || errB != nil || a > b || b >= most {
			return nil, fmt.Errorf("want a list of numbers as 0-3,5")
		}
		for n := a; n <= b; n++ {
			out = append(out, int(n))
		}
	}
	return out, nil
}
