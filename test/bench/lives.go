package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"
)

// lives times whole lives of a runtime's containers: create, start and delete, one after another
// and several at a time.
func (w *world) lives() []*row {
	var rows []*row
	for _, parallel := range []int{1, w.o.lanes} {
		r := &row{work: livesWork(w.o.lives, parallel), unit: "ms"}
		for _, p := range w.peers {
			if !p.engine {
				r.values = append(r.values, value{peer: p.name})
			}
		}
		for round := range rounds {
			for i := range r.values {
				v := &r.values[i]
				for _, p := range w.peers {
					if p.name == v.peer && v.err == nil {
						var took float64
						took, v.err = w.liveThrough(p, parallel, w.o.lives*round/rounds, w.o.lives*(round+1)/rounds)
						v.amount += took
					}
				}
			}
		}
		rows = append(rows, r)
	}
	return rows
}

func livesWork(many, parallel int) string {
	return fmt.Sprintf("%d create, start, delete, %d at a time", many, parallel)
}

// liveThrough is the time in milliseconds that the lives of these numbers take.
func (w *world) liveThrough(p *peer, parallel, from, to int) (float64, error) {
	fmt.Fprintln(os.Stderr, "bench:", p.name, livesWork(w.o.lives, parallel))
	errs := make([]error, to-from)
	slots := make(chan struct{}, parallel)
	var group sync.WaitGroup
	begin := time.Now()
	for i := range errs {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			if errs[i] = w.ctx.Err(); errs[i] == nil {
				errs[i] = p.life(fmt.Sprintf("bench-life-%s-%d", p.name, from+i))
			}
		})
	}
	group.Wait()
	took := float64(time.Since(begin).Milliseconds())
	if err := errors.Join(errs...); err != nil {
		return 0, errors.New(lastLine(err.Error()))
	}
	return took, nil
}

// life makes a container that would run on, starts it, and removes it.
func (p *peer) life(id string) error {
	var errs []error
	for _, args := range [][]string{{"create", "--bundle", p.live, id}, {"start", id}, {"delete", "--force", id}} {
		args = p.command(args...)
		// The container keeps the descriptors of create: none of ours.
		if err := exec.Command(args[0], args[1:]...).Run(); err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", p.name, args[len(p.prefix)], err))
		}
	}
	return errors.Join(errs...)
}
