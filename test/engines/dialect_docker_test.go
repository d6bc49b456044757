package engines

import (
	"fmt"
	"strings"
)

// dockerWords are the words that docker and podman share.
type dockerWords struct {
	// prefix are the client and its options for the runtime of the box.
	prefix func(b *box) []string
	// runWords are options of run and create.
	runWords func(b *box) []string
	// removeWords are options of rm.
	removeWords []string
}

func (w *dockerWords) words(b *box, args ...string) []string { return append(w.prefix(b), args...) }

func (w *dockerWords) run(b *box, name string, o *options, args []string) []string {
	words := w.words(b, "run")
	if o.createOnly {
		words = w.words(b, "create")
	}
	words = append(append(words, w.runWords(b)...), "--name", name)
	if o.detach {
		words = append(words, "-d")
	}
	network := "none"
	if o.hostNetwork {
		network = "host"
	}
	words = append(words, "--network", network)
	for flag, set := range map[string]bool{"--read-only": o.readOnly, "--pid=host": o.hostPID, "--security-opt=no-new-privileges": o.noNewPrivs} {
		if set {
			words = append(words, flag)
		}
	}
	for _, bind := range o.binds {
		words = append(words, "-v", bind)
	}
	for _, device := range o.devices {
		words = append(words, "--device", device+":"+device+":r")
	}
	for _, name := range o.capDrop {
		words = append(words, "--cap-drop", name)
	}
	for _, name := range o.capAdd {
		words = append(words, "--cap-add", name)
	}
	if o.memory != "" {
		words = append(words, "--memory", o.memory)
	}
	if o.cpus != "" {
		words = append(words, "--cpus", o.cpus)
	}
	words = append(append(words, w.process(o)...), o.more...)
	return append(append(words, image), args...)
}

// process are the options that run and exec share.
func (w *dockerWords) process(o *options) []string {
	var words []string
	if o.terminal {
		words = append(words, "-t")
	}
	if o.terminal || o.stdin {
		words = append(words, "-i")
	}
	for _, pair := range o.env {
		words = append(words, "-e", pair)
	}
	if o.user != "" {
		words = append(words, "-u", o.user)
	}
	if o.cwd != "" {
		words = append(words, "-w", o.cwd)
	}
	return words
}

func (w *dockerWords) exec(b *box, name string, o *options, args []string) []string {
	words := append(w.words(b, "exec"), w.process(o)...)
	if o.detach {
		words = append(words, "-d")
	}
	return append(append(append(words, o.more...), name), args...)
}

func (w *dockerWords) verb(b *box, verb, name string, more ...string) [][]string {
	words := []string{verb}
	switch verb {
	case "kill":
		words = []string{"kill", "-s", more[0]}
		more = nil
	case "resume":
		words = []string{"unpause"}
	case "remove":
		words = append([]string{"rm", "-f"}, w.removeWords...)
	}
	return [][]string{w.words(b, append(append(words, more...), name)...)}
}

func (w *dockerWords) look(b *box, name string) (status string, pid int) {
	text := b.must(w.words(b, "inspect", "-f", "{{.State.Status}} {{.State.Pid}}", name)...)
	if _, err := fmt.Sscan(text, &status, &pid); err != nil {
		b.Fatalf("inspect %s: %q: %v", name, text, err)
	}
	return status, pid
}

func (w *dockerWords) logs(b *box, name string) string {
	r := b.e.call("", w.words(b, "logs", name)...)
	if r.Code != 0 {
		b.Fatalf("logs %s: exit code %d\n%s", name, r.Code, r.Stderr)
	}
	return strings.ReplaceAll(r.Stdout+r.Stderr, "\r", "")
}
