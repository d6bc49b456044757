package e2e

import (
	"strings"
	"testing"
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
