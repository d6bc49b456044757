package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/manager-project/manager/internal/testenv/evil"
)

// What takes root is refused in one line that names the option and the next step; it is never accepted and ignored.
func TestUserCannot(t *testing.T) {
	const run = "run --rm --network none "
	refusals := map[string]string{ // the command, and what the line has to hold
		run + "--memory 64m":                     "--memory | leave them out here, or run it as root",
		run + "--cpus 1":                         "--cpus | run it as root",
		run + "--pids-limit 10":                  "--pids-limit | run it as root",
		run + "--device-cgroup-rule 'c 1:3 rwm'": "--device-cgroup-rule | leave it out, or run it as root",
		run + "--oom-score-adj -500":             "--oom-score-adj | CAP_SYS_RESOURCE | give a higher one",
		run + "--ulimit nofile=99999999":         "--ulimit | hard limit | ask for at most",
		"pause c":                                "pause container c | it has no cgroup | delegated",
		"update --memory 64m c":                  "memory",
	}
	var script strings.Builder
	script.WriteString("manager run -d --name c --network none hello serve >/dev/null 2>&1\n")
	for args := range refusals {
		script.WriteString("echo '=' \"" + strings.ReplaceAll(args, "'", `\'`) + "\"; manager " + args)
		if strings.HasPrefix(args, run) {
			script.WriteString(" hello")
		}
		script.WriteString(" 2>&1 || echo code $?\n")
	}
	script.WriteString("manager rm --force --time 0 c >/dev/null\n" + leave)
	out := asShell(t, userRange, script.String())
	for args, want := range refusals {
		_, part, _ := strings.Cut(out, "= "+strings.ReplaceAll(args, "'", `\'`)+"\n")
		part, _, _ = strings.Cut(part, "= ")
		line, rest, _ := strings.Cut(part, "\n")
		if !strings.HasPrefix(line, "Error: ") || strings.TrimSpace(rest) != "code 125" {
			t.Errorf("%s: %q", args, part)
		}
		for _, word := range strings.Split(want, " | ") {
			if !strings.Contains(line, word) {
				t.Errorf("%s: no %q in %q", args, word, line)
			}
		}
	}
}

// An image with a file of an id that the user does not have is refused, with the file, the id and the next step.
func TestUserCannotOwn(t *testing.T) {
	owned := evil.File("srv/far", "x", 0o644)
	owned.Uid, owned.Gid = 7, userRange+1
	path := filepath.Join(t.TempDir(), "far.tar")
	if err := evil.DockerArchive(path, evil.Image{Name: "localhost/far:1", Layers: [][]byte{evil.Layer(evil.Dir("srv", 0o755), owned)}}); err != nil {
		t.Fatal(err)
	}
	for dir := path; dir != "/tmp" && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	out := asShell(t, userRange, "manager load --input "+path+" 2>&1 || echo code $?\nmanager images --quiet\n"+leave)
	wants(t, out, fmt.Sprintf("/srv/far in the image belongs to 7:%d (user:group), which is not among this user's ids; nothing was stored; as root give", userRange+1), "code 125\n")
}
