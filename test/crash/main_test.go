// Package crash kills, starves and crowds the program, and looks at what is left.
//
// The program under test is this test program itself: under the name "manager" it is the
// command line, with the points of internal/fault armed as the environment says (see
// internal/fault/arming). The monitor and the init are a manager-monitor that is built here with
// the tag "faults"; it lies beside the program, where an installed one would.
//
// A command that a monitor starts takes its words from the environment of the container's start;
// those in the file "cleanup-faults" beside the program come after them.
package crash

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/manager-project/manager/cmd/manager/cli"
	"github.com/manager-project/manager/internal/embedded"
	"github.com/manager-project/manager/internal/fault/arming"
	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/libpod/network/userspace"
)

func TestMain(m *testing.M) {
	if image.ReexecInit() {
		return // this process only extracts a layer
	}
	if userspace.Run(os.Args) {
		return // this process only carries a container's packets
	}
	if filepath.Base(os.Args[0]) == "manager" {
		words, role := os.Environ(), arming.Client
		if slices.Contains(os.Args, "cleanup") && !slices.Contains(words, userWord) {
			text, _ := os.ReadFile(filepath.Join(filepath.Dir(os.Args[0]), "cleanup-faults"))
			words, role = append(words, strings.Fields(string(text))...), arming.Cleanup
		}
		arming.Arm(role, words)
		os.Exit(cli.Main(os.Args, os.Stdin, os.Stdout, os.Stderr))
	}
	code := m.Run()
	if programs.dir != "" {
		_ = os.RemoveAll(programs.dir)
	}
	if !report() {
		code = max(code, 1)
	}
	os.Exit(code)
}

// userWord in the environment tells a clean-up command of the user from that of a monitor.
const userWord = "CRASH_USER=1"

// programs is the folder with the programs of these tests, made at the first need.
var programs struct {
	once sync.Once
	dir  string
	err  error
}

// monitorProgram is the file of the armed manager-monitor, and the name under which manager looks for it.
func monitorProgram() (path, name string, err error) {
	id, err := embedded.MonitorID()
	if err != nil {
		return "", "", err
	}
	p := &programs
	p.once.Do(func() {
		if p.dir, p.err = os.MkdirTemp("", "crash"); p.err != nil {
			return
		}
		cmd := exec.Command("go", "build", "-tags", "faults", "-o", p.dir, "./cmd/manager-monitor")
		cmd.Dir = filepath.Join("..", "..")
		if out, err := cmd.CombinedOutput(); err != nil {
			p.err = fmt.Errorf("build manager-monitor: %w: %s", err, out)
		}
	})
	return filepath.Join(p.dir, "manager-monitor"), "manager-monitor-" + id, p.err
}
