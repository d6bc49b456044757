package proctable

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/manager-project/manager/pkg/errdefs"
)

func TestTableOfAProcess(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	pid := cmd.Process.Pid
	rows, err := Table(pid, []int{pid, 1 << 30}, Columns())
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 2 {
		t.Fatalf("%d rows, want the header and one process", len(rows))
	}
	got := map[string]string{}
	for i, name := range Columns() {
		got[name] = rows[1][i]
	}
	for name, want := range map[string]string{
		"args": "sleep 60", "comm": "sleep", "hpid": strconv.Itoa(pid), "ppid": "0", "uid": strconv.Itoa(os.Getuid()),
	} {
		if got[name] != want {
			t.Errorf("%s: got %q, want %q", name, got[name], want)
		}
	}
	for name, value := range got {
		if value == "" {
			t.Errorf("%s is empty", name)
		}
	}
}

func TestDescriptors(t *testing.T) {
	if _, err := Table(1, nil, []string{"pid", "nonsense"}); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("unknown descriptor: %v", err)
	}
	rows, err := Table(1, nil, Split([]string{"pid,%a", "user"}))
	if err != nil || len(rows) != 1 || len(rows[0]) != 3 || rows[0][1] != "COMMAND" {
		t.Errorf("got %v, %v", rows, err)
	}
}

func TestCapabilities(t *testing.T) {
	for _, c := range [][2]string{{"0000000000000000", "none"}, {"000001ffffffffff", "full"}, {"0000000000000003", "CHOWN,DAC_OVERRIDE"}, {"x", "?"}} {
		if got := capabilities(c[0]); got != c[1] {
			t.Errorf("%s: got %q, want %q", c[0], got, c[1])
		}
	}
}
