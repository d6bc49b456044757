package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// A watcher passes events on and knows what has not come to its end.
type watcher struct {
	open  map[string]bool // packages without a result
	left  []string        // lanes without a result
	tests int             // tests with one
	heard func()          // is called at each line; may be nil
}

// newWatcher waits for the results of the lanes.
func newWatcher(lanes []string) *watcher {
	return &watcher{open: map[string]bool{}, left: slices.Clone(lanes)}
}

// read passes on all lines until there are no more.
func (w *watcher) read(from io.Reader) error {
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadBytes('\n')
		if line = bytes.TrimRight(line, "\r\n"); len(line) > 0 {
			w.take(line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// closing are go test's words for how a package ended.
var closing = map[string]string{"pass": "ok", "fail": "FAIL", "skip": "?"}

// take handles one line; what is no event is passed on like one.
func (w *watcher) take(line []byte) {
	emitLine(line)
	if w.heard != nil {
		w.heard()
	}
	var ev event
	if json.Unmarshal(line, &ev) != nil || ev.Package == "" {
		return
	}
	done := ev.Action == "pass" || ev.Action == "fail" || ev.Action == "skip"
	switch {
	case ev.Package == lanePackage:
		w.left = slices.DeleteFunc(w.left, func(lane string) bool { return done && lane == ev.Test })
	case ev.Test != "":
		if done {
			w.tests++
		}
	case done:
		delete(w.open, ev.Package)
		emitLine(fmt.Appendf(nil, "%-4s\t%s\t%.1fs", closing[ev.Action], ev.Package, ev.Elapsed))
	default:
		w.open[ev.Package] = true
	}
}

// end makes failures of what has no result. An error says why the lanes could not come to an end.
func (w *watcher) end(err error) {
	for pkg := range w.open {
		emit(event{Action: "fail", Package: pkg})
	}
	for _, lane := range w.left {
		laneEnded(lane, err)
	}
}
