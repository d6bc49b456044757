package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/manager-project/manager/internal/testenv"
)

// value is one figure: milliseconds or, for memory, kibibytes a container.
type value struct {
	peer   string
	amount float64
	err    error
}

// row is one piece of work and what each peer made of it.
type row struct {
	work, unit string
	values     []value
}

// table is the result of a run.
type table []*row

// measure does all the work with all the peers.
func (w *world) measure() table {
	if w.o.users {
		return w.asUser()
	}
	var t table
	add := func(work string, engines bool, runtimes bool, command func(*peer) []string) {
		var peers []*peer
		for _, p := range w.peers {
			if (p.engine && engines || !p.engine && runtimes) && command(p) != nil {
				peers = append(peers, p)
			}
		}
		t = append(t, w.times(work, peers, func(p *peer) ([]string, error) { return command(p), nil }))
	}
	add("version", true, false, func(p *peer) []string { return []string{p.prefix[0], "--version"} })
	add("run", true, true, func(p *peer) []string {
		if !p.engine {
			return p.command("run", "--bundle", p.bundle, "bench-true-"+p.name)
		}
		return p.command("run", "--rm", "--network", "none", p.image, "true")
	})
	add("run on the bridge", true, false, func(p *peer) []string {
		// manager has no bridge yet, and docker's is turned off here.
		if p.name != "podman" {
			return nil
		}
		return p.command("run", "--rm", p.image, "true")
	})
	for _, p := range w.peers {
		w.startLive(p)
	}
	add("exec", true, true, func(p *peer) []string { return p.command("exec", p.liveName(), "true") })
	add("ps with one", true, false, func(p *peer) []string { return p.command("ps") })
	starts, memory := &row{work: fmt.Sprintf("%d run -d, %d at a time", w.o.many, w.o.parallel), unit: "ms"}, &row{work: "memory a container", unit: "KiB"}
	for _, p := range w.peers {
		if p.engine {
			took, kib, err := w.crowd(p)
			starts.values = append(starts.values, value{p.name, took, err})
			memory.values = append(memory.values, value{p.name, kib, err})
		}
	}
	t = append(append(t, starts, memory), w.lives()...)
	t = append(append(t, w.stops()), w.rush()...)
	t = append(t, w.longList())
	t = append(t, w.asUser()...)
	if w.o.pull {
		t = append(t, w.pull())
	}
	return t
}

// errNotMeasured begins the reason why a peer is left out of a piece of work.
var errNotMeasured = errors.New("not measured")

// rounds is in how many parts a command's runs, and lives, are measured, the peers taking turns: what one leaves to be
// done behind it, and how the machine fares, is not always the same one's burden.
const rounds = 5

// more is how many times as often a runtime's command is measured, which is over in milliseconds: medians of twenty of these differ by a
// twentieth from one measurement to the next.
const more = 3

// times are the medians of a command's wall-clock times, for each peer.
func (w *world) times(work string, peers []*peer, command func(*peer) ([]string, error)) *row {
	r := &row{work: work, unit: "ms", values: make([]value, len(peers))}
	all := make([][]float64, len(peers))
	for round := range rounds {
		for at := range peers {
			i := (at + round) % len(peers) // another one is first, and follows another
			p, v := peers[i], &r.values[i]
			if v.peer = p.name; v.err != nil {
				continue
			}
			var args []string
			if args, v.err = command(p); v.err != nil {
				continue
			}
			var times []float64
			runs := w.o.runs
			if !p.engine {
				runs *= more
			}
			times, v.err = w.time(p, work, args, max((runs+rounds-1)/rounds, 2))
			all[i] = append(all[i], times...)
		}
	}
	for i := range all {
		r.values[i].amount = median(all[i])
	}
	return r
}

// time is the wall-clock times of that many runs of a command, in milliseconds, after one to warm up.
func (w *world) time(p *peer, work string, args []string, runs int) ([]float64, error) {
	if err := w.ctx.Err(); err != nil {
		return nil, err
	}
	fmt.Fprintln(os.Stderr, "bench:", p.name, work)
	out := filepath.Join(cmp.Or(p.scratch, w.dir), "hyperfine.json")
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = "'" + a + "'"
	}
	words := slices.Concat(p.as, []string{
		"hyperfine", "-N", "--warmup", "1", "-r", strconv.Itoa(runs), "--style", "none", "--export-json", out, strings.Join(quoted, " "),
	})
	cmd := exec.CommandContext(w.ctx, words[0], words[1:]...)
	cmd.Env = append(os.Environ(), p.env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		// hyperfine hides what the command said: ask it once more.
		if _, again := w.run(p.env, slices.Concat(p.as, args)...); again != nil {
			return nil, again
		}
		return nil, fmt.Errorf("hyperfine: %w: %s", err, lastLine(string(text)))
	}
	text, err := os.ReadFile(out)
	if err != nil {
		return nil, err
	}
	var result struct{ Results []struct{ Times []float64 } }
	if err := json.Unmarshal(text, &result); err != nil {
		return nil, err
	}
	times := result.Results[0].Times
	for i := range times {
		times[i] *= 1000
	}
	return times, nil
}

// startLive starts the container that exec enters. A failure shows in exec's row.
func (w *world) startLive(p *peer) {
	if p.engine {
		w.run(p.env, p.command("run", "-d", "--name", p.liveName(), "--network", "none", p.image, "sleep", "100000")...)
		return
	}
	// Detached, a runtime's container keeps our descriptors: give it none.
	cmd := exec.Command(p.prefix[0], p.command("run", "--detach", "--bundle", p.live, p.liveName())[1:]...)
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", p.name, "run --detach:", err)
	}
}

// crowd starts many containers in parallel, and returns the time in milliseconds and the
// memory that stays per container beyond the container's own processes.
func (w *world) crowd(p *peer) (took, kib float64, err error) {
	fmt.Fprintln(os.Stderr, "bench:", p.name, "starts", w.o.many, "containers")
	begin := time.Now()
	errs := make([]error, w.o.many)
	slots := make(chan struct{}, w.o.parallel)
	var group sync.WaitGroup
	for i := range errs {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			_, errs[i] = w.run(p.env, p.command("run", "-d", "--name", fmt.Sprint("crowd-", i), "--network", "none", p.image, "sleep", "100000")...)
		})
	}
	group.Wait()
	took = float64(time.Since(begin).Milliseconds())
	if err := errors.Join(errs...); err != nil {
		return 0, 0, errors.New(lastLine(err.Error()))
	}
	time.Sleep(time.Second) // what a start leaves to do in the background
	kib, err = w.helperMemory(p)
	remove := p.command("rm", "--force")
	if p.name != "docker" { // docker's kills at once
		remove = append(remove, "--time", "0")
	}
	for i := range errs {
		remove = append(remove, fmt.Sprint("crowd-", i))
	}
	_, failed := w.run(p.env, remove...)
	return took, kib, errors.Join(err, failed)
}

// helperMemory is the proportional set size of the peer's helper processes, in KiB each.
func (w *world) helperMemory(p *peer) (float64, error) {
	dir := w.dir
	if p.name == "manager" {
		dir = p.prefix[2][:strings.LastIndex(p.prefix[2], "/")] // --root DIR/root
	}
	list, err := testenv.Processes(testenv.Marks{Dirs: []string{dir}})
	if err != nil {
		return 0, err
	}
	total, count := 0.0, 0
	for _, process := range list {
		program, _, _ := strings.Cut(process.Command, " ")
		if !strings.Contains(filepath.Base(program), p.helper) {
			continue
		}
		pss, err := proportional(process.PID)
		if err != nil {
			return 0, err
		}
		total, count = total+pss, count+1
	}
	if count == 0 {
		return 0, errors.New("no process of " + p.helper + " was found")
	}
	return total / float64(count), nil
}

// proportional reads a process's Pss in KiB. Source: proc_pid_smaps(5), smaps_rollup.
func proportional(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) >= 2 && words[0] == "Pss:" {
			return strconv.ParseFloat(words[1], 64)
		}
	}
	return 0, errors.New("no Pss of a process")
}

// longList times our list of many stopped containers.
func (w *world) longList() *row {
	r := &row{work: fmt.Sprintf("ps --all with %d", w.o.listed), unit: "ms"}
	for _, p := range w.peers {
		if p.name != "manager" {
			continue
		}
		var err error
		for i := 0; i < w.o.listed && err == nil && w.ctx.Err() == nil; i++ {
			_, err = w.run(p.env, p.command("create", "--name", fmt.Sprint("listed-", i), "--network", "none", p.image, "true")...)
		}
		amount := 0.0
		if err == nil {
			var times []float64
			times, err = w.time(p, r.work, p.command("ps", "--all"), w.o.runs)
			amount = median(times)
		}
		r.values = append(r.values, value{p.name, amount, err})
	}
	return r
}
