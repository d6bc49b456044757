package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/testenv"
)

// options are the command line.
type options struct {
	bin, run, lanes string
	accel           string
	limit           time.Duration
	cuts            int
	seed            uint64
}

func main() {
	var opts options
	var inside, shell bool
	flag.StringVar(&opts.bin, "bin", os.Getenv("MANAGER_BIN"), "the folder with the built programs")
	flag.StringVar(&opts.run, "run", "", "run only tests that match, as with go test; \"\" runs those of suites.go")
	flag.StringVar(&opts.lanes, "lanes", "", "run only these lanes, comma-separated: "+strings.Join(laneNames(), ", "))
	flag.StringVar(&opts.accel, "accel", "tcg,thread=multi", "QEMU's accelerator")
	flag.DurationVar(&opts.limit, "limit", 4*time.Minute, "how long the machine may say nothing before it counts as hung")
	flag.IntVar(&opts.cuts, "cuts", 2, "how often the lane "+laneCut+" cuts the machine's power; each takes a minute; the lane is run when it is named")
	flag.Uint64Var(&opts.seed, "seed", 0, "of the moments and the load of the power cuts; 0 takes a new one")
	flag.BoolVar(&inside, "inside", false, "run the payload's tests: the machine does this")
	flag.BoolVar(&shell, "shell", false, "boot with a root shell on this terminal instead of tests; any argument is added to the kernel's command line")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	var err error
	switch {
	case inside:
		err = runInside(ctx)
	case shell:
		err = runShell(ctx, &opts, flag.Args())
	default:
		err = runLanes(ctx, &opts)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "vm:", err)
		os.Exit(1)
	}
}

// runLanes runs all chosen lanes. That tests failed is in the events and is no error.
func runLanes(ctx context.Context, opts *options) error {
	// The power is cut where it is asked for (make soak): a cut takes a minute, and one tells little.
	lanes := laneNames()
	all := append(laneNames(), laneCut)
	if opts.lanes != "" {
		lanes = strings.Split(opts.lanes, ",")
		for _, name := range lanes {
			if !slices.Contains(all, name) {
				return fmt.Errorf("no lane %q; there are %s", name, strings.Join(all, ", "))
			}
		}
	}
	cuts := slices.Contains(lanes, laneCut) && opts.run == ""
	lanes = slices.DeleteFunc(lanes, func(l string) bool { return l == laneCut })
	dir, err := os.MkdirTemp("", "vm")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	began := time.Now()
	if cuts {
		defer func() {
			laneEnded(laneCut, runCuts(ctx, opts, dir, began))
			progress(began, "lane "+laneCut)
		}()
	}
	if len(lanes) == 0 {
		return nil
	}
	payload := filepath.Join(dir, "payload")
	if err := makePayload(ctx, opts, payload, lanes); err != nil {
		return err
	}
	progress(began, "compiled the tests")
	tests := 0
	if slices.Contains(lanes, testenv.LaneBare) {
		tests += runBare(ctx, payload)
		progress(began, "lane "+testenv.LaneBare)
	}
	inMachine, err := runMachine(ctx, opts, dir, lanes, began)
	if err == nil && opts.run != "" && tests+inMachine == 0 {
		err = fmt.Errorf("no test of suites.go in lane %s matches %q", strings.Join(lanes, ", "), opts.run)
	}
	return err
}

// runMachine runs the lanes that are in the machine and counts their tests.
func runMachine(ctx context.Context, opts *options, dir string, lanes []string, began time.Time) (tests int, err error) {
	var mine []boot
	for _, b := range boots {
		b.Lanes = slices.DeleteFunc(slices.Clone(b.Lanes), func(l string) bool {
			return !slices.Contains(lanes, laneOf(l)) || opts.run != "" && partOf(l) != "" // a pattern runs in the first part
		})
		if len(b.Lanes) > 0 {
			mine = append(mine, b)
		}
	}
	if len(mine) == 0 {
		return 0, nil
	}
	files, err := testenv.BuildMachine()
	if err != nil {
		for _, b := range mine {
			for _, lane := range b.Lanes {
				laneEnded(lane, err)
			}
		}
		return 0, nil
	}
	disk := filepath.Join(dir, "payload.img") // one for all: nobody writes to it
	if err := testenv.MakePayload(disk, filepath.Join(dir, "payload")); err != nil {
		return 0, err
	}
	progress(began, "the machine's disk is there")
	// Two at a time: an emulated machine that starts, or runs one test after the other, keeps one processor busy.
	counts, errs := make([]int, len(mine)), make([]error, len(mine))
	slots := make(chan struct{}, 2)
	var group sync.WaitGroup
	for i, b := range mine {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			m := &machine{files: files, accel: opts.accel, dir: filepath.Join(dir, fmt.Sprint("boot", i))}
			counts[i], errs[i] = m.runTests(ctx, &b, disk, opts.limit)
			progress(began, "lanes "+strings.Join(b.Lanes, ", "))
		})
	}
	group.Wait()
	for _, count := range counts {
		tests += count
	}
	return tests, errors.Join(errs...)
}

// progress says how far the run is, for whoever watches it.
func progress(began time.Time, what string) {
	emitLine(fmt.Appendf(nil, "vm: %3.0f s: %s", time.Since(began).Seconds(), what))
}
