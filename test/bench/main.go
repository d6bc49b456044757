// Bench measures manager beside its peers in one run on one machine and prints medians,
// ratios and whether the budgets hold.
//
// The peers are what is installed of podman, docker, crun and runc, each with directories,
// configuration and sockets of its own; the absent are reported as missing. Compare the
// ratios: the times depend on the machine. Everything is taken away at the end, also after
// an interrupt.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// options are what the command line says.
type options struct {
	programs string // folder of our programs
	history  string // file to which the result is appended, or ""
	runs     int    // measured runs of each command
	many     int    // containers for the memory and the parallel start
	listed   int    // containers for the long list
	parallel int    // clients at a time
	lives    int    // containers that a runtime creates, starts and deletes
	lanes    int    // of them at a time, the second time
	rush     int    // containers that we start beside our list
	rushers  int    // clients that start them
	users    bool   // only what an ordinary user does
	pull     bool   // whether to pull an image of 500 MB
}

func main() {
	var o options
	flag.StringVar(&o.programs, "bin", "", "folder with manager, manager-runtime and manager-monitor; empty measures the peers alone")
	flag.StringVar(&o.history, "history", "", "file to append the result to")
	flag.IntVar(&o.runs, "runs", 20, "measured runs of each command")
	flag.IntVar(&o.many, "many", 100, "containers for memory and parallel start")
	flag.IntVar(&o.listed, "listed", 1000, "containers for the long list")
	flag.IntVar(&o.parallel, "parallel", 16, "clients at a time")
	flag.IntVar(&o.lives, "lives", 200, "containers that a runtime creates, starts and deletes")
	flag.IntVar(&o.lanes, "lanes", 8, "of those at a time, the second time")
	flag.IntVar(&o.rush, "rush", 500, "containers that manager starts while it lists them")
	flag.IntVar(&o.rushers, "rushers", 32, "of those at a time")
	flag.BoolVar(&o.users, "users", false, "measure only what an ordinary user does, which takes a minute")
	flag.BoolVar(&o.pull, "pull", true, "pull an image of 500 MB from a registry on the loopback, which takes two minutes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := bench(ctx, &o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench sets the peers up, measures, prints, and takes everything away.
func bench(ctx context.Context, o *options) (err error) {
	w, err := newWorld(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		if closed := w.close(); err == nil {
			err = closed
		}
	}()
	w.setUp()
	t := w.measure()
	text := t.text(w)
	fmt.Print(text)
	if o.history == "" || ctx.Err() != nil {
		return ctx.Err()
	}
	return appendHistory(o.history, text)
}
