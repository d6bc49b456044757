package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// budget is a promise: our figure is at most factor times the peer's, or at most limit.
type budget struct {
	work, ours, peer string
	factor, limit    float64
	// of is the work of the peer's figure when it is another.
	of string
}

// budgets are those of the architecture page, "Budgets".
func budgets(o *options) []budget {
	crowd := fmt.Sprintf("%d run -d, %d at a time", o.many, o.parallel)
	return []budget{
		{work: "version", ours: "manager", peer: "podman", factor: 0.35},
		{work: "run", ours: "manager", peer: "podman", factor: 0.15},
		{work: "run", ours: "manager", peer: "crun", factor: 2},
		{work: "run", ours: "manager-runtime", peer: "crun", factor: 0.8},
		{work: "run", ours: "manager-runtime", peer: "runc", factor: 0.3},
		{work: "run on the bridge", ours: "manager", peer: "podman", factor: 0.10},
		{work: "exec", ours: "manager", peer: "podman", factor: 0.10},
		{work: "exec", ours: "manager", peer: "crun", factor: 1.5},
		{work: "exec", ours: "manager-runtime", peer: "crun", factor: 1},
		{work: livesWork(o.lives, 1), ours: "manager-runtime", peer: "crun", factor: 0.8},
		{work: livesWork(o.lives, o.lanes), ours: "manager-runtime", peer: "crun", factor: 0.8},
		{work: "ps with one", ours: "manager", peer: "podman", factor: 0.35},
		{work: fmt.Sprintf("ps --all with %d", o.listed), ours: "manager", peer: "manager", of: "ps with one", factor: 5},
		{work: crowd, ours: "manager", peer: "podman", factor: 0.25},
		{work: "memory a container", ours: "manager", limit: 0.8 * 1024},
		{work: stopWork, ours: "manager", limit: 15},
		{work: rushPsWork(o), ours: "manager", limit: 100},
		{work: userRun, ours: "manager", peer: "podman", factor: 0.2},
		{work: userNetwork, ours: "manager", peer: "podman", factor: 0.2},
		{work: userExec, ours: "manager", peer: "podman", factor: 0.1},
		{work: userPS, ours: "manager", peer: "podman", factor: 0.35},
		{work: beyondRun, ours: "manager", limit: 8},
		{work: beyondPS, ours: "manager", limit: 8},
		{work: pullWork, ours: "manager", peer: "podman", factor: 0.6},
		{work: pullWork, ours: "manager", peer: untar, factor: 1.2},
	}
}

// find is a peer's figure for a piece of work; ok is false if there is none.
func (t table) find(work, peer string) (amount float64, ok bool) {
	for _, r := range t {
		for _, v := range r.values {
			if r.work == work && v.peer == peer && v.err == nil {
				return v.amount, true
			}
		}
	}
	return 0, false
}

// unit is that of a piece of work.
func (t table) unit(work string) string {
	for _, r := range t {
		if r.work == work {
			return r.unit
		}
	}
	return ""
}

// text is the result as Markdown.
func (t table) text(w *world) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", time.Now().UTC().Format("2006-01-02 15:04 UTC"), machine())
	for _, p := range w.peers {
		fmt.Fprintf(&b, "- %s: %s\n", p.name, p.version)
	}
	for _, m := range w.missing {
		fmt.Fprintf(&b, "- missing: %s\n", strings.ReplaceAll(m, w.dir, "DIR"))
	}
	names := []string{"manager", "podman", "docker", "crun", "runc", "manager-runtime", untar}
	fmt.Fprintf(&b, "\n| work (median of %d, of a runtime's %d) | %s |\n|---|%s\n", w.o.runs, w.o.runs*more, strings.Join(names, " | "), strings.Repeat("---|", len(names)))
	var failures []string
	for _, r := range t {
		fmt.Fprintf(&b, "| %s, %s |", r.work, r.unit)
		for _, name := range names {
			cell := ""
			for _, v := range r.values {
				switch {
				case v.peer != name:
				case errors.Is(v.err, errNotMeasured):
					failures = append(failures, fmt.Sprintf("%s, %s: %s", r.work, name, strings.ReplaceAll(v.err.Error(), w.dir, "DIR")))
				case v.err != nil:
					cell = "failed"
					failures = append(failures, fmt.Sprintf("%s, %s: %s", r.work, name, strings.ReplaceAll(v.err.Error(), w.dir, "DIR")))
				default:
					cell = fmt.Sprintf("%.1f", v.amount)
				}
			}
			fmt.Fprintf(&b, " %s |", cell)
		}
		b.WriteString("\n")
	}
	for _, f := range failures {
		fmt.Fprintf(&b, "\n- %s", f)
	}
	if len(failures) > 0 {
		b.WriteString("\n")
	}
	b.WriteString("\n| budget | measured | allowed | verdict |\n|---|---|---|---|\n")
	for _, g := range budgets(w.o) {
		b.WriteString(g.verdict(t))
	}
	return b.String()
}

// verdict is the budget's line.
func (g *budget) verdict(t table) string {
	name := fmt.Sprintf("%s: %s, %s", g.work, g.ours, t.unit(g.work))
	ours, ok := t.find(g.work, g.ours)
	measured, allowed := ours, g.limit
	if g.peer != "" {
		of := g.of
		if of == "" {
			of = g.work
		}
		theirs, there := t.find(of, g.peer)
		ok = ok && there
		measured, allowed = ours/theirs, g.factor
		name = fmt.Sprintf("%s: %s to %s", g.work, g.ours, g.peer)
	}
	if !ok {
		return fmt.Sprintf("| %s | | %.2f | not measured |\n", name, allowed)
	}
	word := "held"
	if measured > allowed {
		word = "missed"
	}
	return fmt.Sprintf("| %s | %.2f | %.2f | %s |\n", name, measured, allowed, word)
}

// machine says what the figures were measured on.
func machine() string {
	var u unix.Utsname
	kernel := "unknown"
	if unix.Uname(&u) == nil {
		kernel = unix.ByteSliceToString(u.Release[:])
	}
	model := runtime.GOARCH
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, rest, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(rest)
				break
			}
		}
	}
	return fmt.Sprintf("%d processors (%s), Linux %s, %s", runtime.NumCPU(), model, kernel, runtime.Version())
}

// appendHistory adds the result to the history, which it starts if there is none.
func appendHistory(path, text string) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() == 0 {
		text = "# Benchmarks\n\nWhat `make bench` measured, the newest last. Compare ratios within one run, never times\nbetween runs or machines.\n" + text
	}
	if _, err := file.WriteString(text); err != nil {
		return err
	}
	return file.Close()
}
