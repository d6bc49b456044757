package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// stopWork is the time from the end of a container's program to the return of the stop that asked for it.
const stopWork = "stop, after the program's end"

// stops times the engines' stop of a container that ends at once when it is told to.
func (w *world) stops() *row {
	r := &row{work: stopWork, unit: "ms"}
	for _, p := range w.peers {
		if !p.engine {
			continue
		}
		fmt.Fprintln(os.Stderr, "bench:", p.name, stopWork)
		var all []time.Duration
		var err error
		for i := 0; i < w.o.runs && err == nil; i++ {
			var took time.Duration
			if took, err = w.stop(p, fmt.Sprint("stop-", i)); err == nil {
				all = append(all, took)
			}
		}
		amount := 0.0
		if err == nil {
			amount = quantile(all, 0.5)
		}
		r.values = append(r.values, value{p.name, amount, err})
	}
	return r
}

// stop makes a container, stops it, and removes it.
func (w *world) stop(p *peer, name string) (took time.Duration, err error) {
	_, err = w.run(p.env, p.command("run", "-d", "--name", name, "--network", "none", p.image,
		"sh", "-c", `trap "exit 0" TERM; sleep 100000 & echo ready; wait`)...)
	if err != nil {
		return 0, err
	}
	defer func() {
		_, failed := w.run(p.env, p.command("rm", "--force", name)...)
		err = errors.Join(err, failed)
	}()
	for ready := false; !ready; { // its trap is set
		said, err := w.run(p.env, p.command("logs", name)...)
		if err = errors.Join(err, w.ctx.Err()); err != nil {
			return 0, err
		}
		ready = strings.Contains(said, "ready")
	}
	text, err := w.run(p.env, p.command("inspect", "--format", "{{.State.Pid}}", name)...)
	if err != nil {
		return 0, err
	}
	pid := 0
	if _, err := fmt.Sscan(text, &pid); err != nil {
		return 0, err
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return 0, err
	}
	defer func() { _ = unix.Close(fd) }()
	ended := make(chan time.Time, 1)
	go func() {
		for {
			if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1); err != unix.EINTR {
				ended <- time.Now()
				return
			}
		}
	}()
	if _, err := w.run(p.env, p.command("stop", name)...); err != nil {
		return 0, err
	}
	back := time.Now()
	return back.Sub(<-ended), nil
}

// quantile is a part's value among durations, in milliseconds.
func quantile(all []time.Duration, part float64) float64 {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return float64(all[min(int(part*float64(len(all))), len(all)-1)].Microseconds()) / 1000
}

// rushWork and rushPsWork are of our own starts alone, many more than the peers are given.
func rushWork(o *options) string { return fmt.Sprintf("%d run -d, %d at a time", o.rush, o.rushers) }

func rushPsWork(o *options) string { return "ps meanwhile, slowest of 100, " + rushWork(o) }

// rush starts very many containers by many clients, none of which may fail, and lists them again and again meanwhile.
func (w *world) rush() []*row {
	starts, lists := &row{work: rushWork(w.o), unit: "ms"}, &row{work: rushPsWork(w.o), unit: "ms"}
	for _, p := range w.peers {
		if p.name != "manager" {
			continue
		}
		fmt.Fprintln(os.Stderr, "bench:", p.name, starts.work)
		took, p99, err := w.rushBy(p)
		starts.values = append(starts.values, value{p.name, took, err})
		lists.values = append(lists.values, value{p.name, p99, err})
	}
	return []*row{starts, lists}
}

func (w *world) rushBy(p *peer) (took, p99 float64, err error) {
	names := make([]string, w.o.rush)
	errs := make([]error, w.o.rush)
	begin := time.Now()
	var group sync.WaitGroup
	var next atomic.Int64
	for range w.o.rushers {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(names); i = int(next.Add(1)) - 1 {
				names[i] = fmt.Sprint("rush-", i)
				_, errs[i] = w.run(p.env, p.command("run", "-d", "--name", names[i], "--network", "none", p.image, "sleep", "100000")...)
			}
		})
	}
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()
	var lists []time.Duration
	for over := false; !over; {
		since := time.Now()
		_, failed := w.run(p.env, p.command("ps")...)
		lists = append(lists, time.Since(since))
		err = errors.Join(err, failed)
		select {
		case <-done:
			over = true
		default:
		}
	}
	took = float64(time.Since(begin).Milliseconds())
	if err = errors.Join(append(errs, err)...); err != nil {
		err = errors.New(lastLine(err.Error()))
	}
	_, failed := w.run(p.env, p.command(append([]string{"rm", "--force", "--time", "0"}, names...)...)...)
	return took, quantile(lists, 0.99), errors.Join(err, failed)
}
