package crash

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
)

// leastCases is how many cases a whole run of this package has at least.
const leastCases = 300

// counted are the cases by kind: each is a command, or a process of one, that was struck at one point,
// and what came after that was looked at.
var counted struct {
	sync.Mutex
	kinds map[string]int
}

// count counts cases.
func count(kind string, n int) {
	counted.Lock()
	defer counted.Unlock()
	if counted.kinds == nil {
		counted.kinds = map[string]int{}
	}
	counted.kinds[kind] += n
}

// report prints the cases of the run. It says whether they are enough; a run of chosen tests always is.
func report() bool {
	counted.Lock()
	defer counted.Unlock()
	var parts []string
	sum := 0
	for _, kind := range slices.Sorted(maps.Keys(counted.kinds)) {
		parts = append(parts, fmt.Sprintf("%s %d", kind, counted.kinds[kind]))
		sum += counted.kinds[kind]
	}
	chosen := flag.Lookup("test.run").Value.String() != "" || flag.Lookup("test.skip").Value.String() != "" || os.Geteuid() != 0
	if sum > 0 {
		fmt.Printf("crash: %d cases: %s\n", sum, strings.Join(parts, ", "))
	}
	if !chosen && sum < leastCases {
		fmt.Printf("crash: want at least %d cases\n", leastCases)
		return false
	}
	return true
}

// every returns n: of a long list of cases the ordinary run takes each nth, the soak all.
func every(n int) int {
	if soak() > 0 {
		return 1
	}
	return n
}
