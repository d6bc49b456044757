// Testsum reads the output of "go test -json" and says what matters about it. With arguments
// it runs that command itself, in a temporary folder of its own, and looks at the end for what
// the tests left behind: that is a failure.
//
// While the tests run it prints each package's closing line and the output of each test
// that failed. At the end it prints the names of the failures, the skipped tests with
// their reasons, and one line "N passed, N failed, N skipped". Its exit code is 1 when
// anything failed, when a package did not build, or when no test ran at all.
//
// A test that testenv.Need left to another world counts by its result there; see lanes.go.
package main

import (
	"bufio"
	"fmt"
	"os"
)

func main() {
	out := bufio.NewWriter(os.Stdout)
	sum := newSummary(out)
	var err error
	if argv := os.Args[1:]; len(argv) > 0 {
		err = sum.run(argv)
	} else {
		err = sum.read(os.Stdin)
	}
	sum.report()
	out.Flush()
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		os.Exit(1)
	}
	if !sum.ok() {
		os.Exit(1)
	}
}
