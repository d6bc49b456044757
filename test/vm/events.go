package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/manager-project/manager/internal/testenv"
)

// event is a line of "go test -json". Source: "go doc test2json".
type event struct {
	Action  string
	Package string  `json:",omitempty"`
	Test    string  `json:",omitempty"`
	Output  string  `json:",omitempty"`
	Elapsed float64 `json:",omitempty"`
}

// output is where events go: lines of one writer at a time.
var output = struct {
	sync.Mutex
	to io.Writer
}{to: os.Stdout}

// emit writes events.
func emit(events ...event) {
	for _, ev := range events {
		line, err := json.Marshal(ev)
		if err != nil {
			panic(err) // strings always encode
		}
		emitLine(line)
	}
}

// emitLine writes a line, an event or a text for whoever watches.
func emitLine(line []byte) {
	output.Lock()
	defer output.Unlock()
	fmt.Fprintf(output.to, "%s\n", line)
}

// lanePackage is whose tests the lanes are.
const lanePackage = module + "/test/vm"

// laneEnded is the result of a lane: nil if its tests ran to the end.
func laneEnded(lane string, err error) {
	switch {
	case err == nil:
		emit(event{Action: "pass", Package: lanePackage, Test: lane})
	case testenv.NotHere(err):
		laneSkipped(lane, err.Error())
	default:
		emit(event{Action: "output", Package: lanePackage, Test: lane, Output: fmt.Sprintf("lane %s: %v\n", lane, err)},
			event{Action: "fail", Package: lanePackage, Test: lane})
	}
}

// laneSkipped says why the lane cannot be here.
func laneSkipped(lane, reason string) {
	emit(event{Action: "output", Package: lanePackage, Test: lane, Output: reason + "\n"},
		event{Action: "skip", Package: lanePackage, Test: lane})
}
