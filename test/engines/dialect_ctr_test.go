package engines

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ctrWords are containerd's own client's. It has no words for a user, a number of processes
// or an update, and its containers have no privileges to gain and no filter unless asked.
type ctrWords struct{ socket string }

func (w *ctrWords) words(args ...string) []string {
	return append([]string{"ctr", "--address", w.socket}, args...)
}

func (w *ctrWords) run(b *box, name string, o *options, args []string) []string {
	words := w.words("run", "--runc-binary", b.runtime, "--runc-root", b.e.path(b.runtimeName),
		"--cgroup", filepath.Join(b.e.parent, name), "--fifo-dir", b.e.path("fifo"))
	switch {
	case o.detach && o.terminal:
		words = append(words, "-d")
	case o.detach:
		words = append(words, "-d", "--log-uri", "file://"+w.logFile(b, name))
	default:
		words = append(words, "--rm")
	}
	for flag, set := range map[string]bool{
		"-t": o.terminal, "--read-only": o.readOnly, "--net-host": o.hostNetwork, "--with-ns=pid:/proc/1/ns/pid": o.hostPID,
		"--seccomp": o.seccomp, "--cwd=" + o.cwd: o.cwd != "", "--memory-limit=" + o.memory: o.memory != "",
		"--cpus=" + o.cpus: o.cpus != "",
	} {
		if set {
			words = append(words, flag)
		}
	}
	for _, bind := range o.binds {
		parts := strings.SplitN(bind, ":", 3)
		mode := "rw"
		if len(parts) == 3 {
			mode = parts[2]
		}
		words = append(words, "--mount", fmt.Sprintf("type=bind,src=%s,dst=%s,options=rbind:%s", parts[0], parts[1], mode))
	}
	for _, pair := range o.env {
		words = append(words, "--env", pair)
	}
	for _, device := range o.devices {
		words = append(words, "--device", device)
	}
	for _, name := range o.capDrop {
		words = append(words, "--cap-drop", "CAP_"+name)
	}
	for _, name := range o.capAdd {
		words = append(words, "--cap-add", "CAP_"+name)
	}
	return append(append(append(words, o.more...), image, name), args...)
}

func (w *ctrWords) exec(b *box, name string, o *options, args []string) []string {
	words := w.words("task", "exec", "--exec-id", b.unique("exec"), "--fifo-dir", b.e.path("fifo"))
	for flag, set := range map[string]bool{
		"-t": o.terminal, "-d": o.detach, "--cwd=" + o.cwd: o.cwd != "", "--user=" + o.user: o.user != "",
	} {
		if set {
			words = append(words, flag)
		}
	}
	return append(append(append(words, o.more...), name), args...)
}

func (w *ctrWords) verb(b *box, verb, name string, more ...string) [][]string {
	switch verb {
	case "kill":
		return [][]string{w.words("task", "kill", "-s", "SIG"+more[0], name)}
	case "remove":
		return [][]string{w.words("task", "delete", "--force", name), w.words("container", "delete", name)}
	}
	return [][]string{w.words("task", verb, name)}
}

func (w *ctrWords) look(b *box, name string) (status string, pid int) {
	for line := range strings.Lines(b.must(w.words("task", "ls")...)) {
		if words := strings.Fields(line); len(words) == 3 && words[0] == name {
			if _, err := fmt.Sscan(words[1], &pid); err != nil {
				b.Fatal(err)
			}
			return strings.ToLower(words[2]), pid
		}
	}
	b.Fatalf("task ls does not show %s", name)
	return "", 0
}

func (w *ctrWords) logFile(b *box, name string) string { return b.e.path("tmp", name+".log") }

func (w *ctrWords) logs(b *box, name string) string {
	text, err := os.ReadFile(w.logFile(b, name))
	if err != nil {
		b.Fatal(err)
	}
	return string(text)
}
