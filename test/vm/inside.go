package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/manager-project/manager/internal/testenv"
)

// lanesWord of the machine's kernel command line is followed by the lanes to run.
const lanesWord = "machine.lanes="

// suiteLimit is how long one test program may take, on a busy host too, before it says where it hangs
// and ends; chosenLimit is that for tests that were chosen with -run, which may be many.
const (
	suiteLimit  = "15m"
	chosenLimit = "3h"
)

// runInside runs the lanes of the payload that this program lies in, and writes their events. In the
// machine, lanes and port come from there; elsewhere, and for the user's lane, from the environment.
func runInside(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	payload := filepath.Dir(self)
	if lane := os.Getenv(testenv.LaneVariable); lane != "" {
		return runLane(ctx, payload, lane, os.Getenv(partVariable), os.Stdout)
	}
	words, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return err
	}
	results, err := os.OpenFile(testenv.MachineResults, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer results.Close()
	var errs []error
	for word := range strings.FieldsSeq(string(words)) {
		if seed, found := strings.CutPrefix(word, cutWord); found {
			err := runCut(ctx, payload, seed, results)
			if err != nil {
				fmt.Fprintf(results, "wrong: %v\n", err)
			}
			return err
		}
		names, found := strings.CutPrefix(word, lanesWord)
		if !found {
			continue
		}
		for lane := range strings.SplitSeq(names, ",") {
			err := inLane(ctx, payload, lane, results)
			if err != nil {
				fmt.Fprintf(results, "lane %s: %v\n", lane, err)
			}
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// partVariable says which part of a lane this program runs.
const partVariable = "MACHINE_LANE_PART"

// inLane starts this program again as whoever the lane is for.
func inLane(ctx context.Context, payload, part string, results *os.File) error {
	lane := laneOf(part)
	argv := []string{filepath.Join(payload, insideName), "-inside"}
	env := []string{
		testenv.LaneVariable + "=" + lane, partVariable + "=" + partOf(part), "HOME=/root", "USER=root", "PATH=" + os.Getenv("PATH"),
		"LC_ALL=C.UTF-8", "TMPDIR=/var/tmp",
	}
	if lane == testenv.LanePermissive { // the machine has started enforcing
		if err := os.WriteFile("/sys/fs/selinux/enforce", []byte("0"), 0); err != nil {
			return err
		}
	}
	if lane == testenv.LaneUser {
		if err := wayOut(ctx); err != nil {
			return fmt.Errorf("a way out: %w", err)
		}
		// The user's systemd is asked for a unit of its own, as a session of the user would.
		if err := exec.CommandContext(ctx, "systemctl", "start", "user@1000.service").Run(); err != nil {
			return fmt.Errorf("the user's systemd: %w", err)
		}
		wrap := []string{
			"runuser", "-u", testenv.MachineUser, "--", "systemd-run", "--user", "--wait", "--pipe", "--quiet", "--collect",
			"--property=Delegate=yes", "--working-directory=/home/" + testenv.MachineUser,
		}
		env = append(slices.DeleteFunc(env, func(e string) bool { return strings.HasPrefix(e, "HOME=") || strings.HasPrefix(e, "USER=") }),
			"HOME=/home/"+testenv.MachineUser, "USER="+testenv.MachineUser, "XDG_RUNTIME_DIR=/run/user/1000")
		for _, e := range env {
			wrap = append(wrap, "--setenv="+e)
		}
		argv = append(wrap, argv...)
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, results, results
	return cmd.Run()
}

// wayOut gives the machine, which has no network, an address and a default route: pasta takes its bearings by them. What goes
// there is lost.
func wayOut(ctx context.Context) error {
	for _, words := range []string{
		"link add out type dummy", "address add 192.0.2.2/24 dev out", "link set out up", "route add default via 192.0.2.1",
	} {
		if out, err := exec.CommandContext(ctx, "ip", strings.Fields(words)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", words, err, out)
		}
	}
	return nil
}

// runLane runs the jobs of a part of a lane and then says that it came to the end.
func runLane(ctx context.Context, payload, lane, part string, results io.Writer) error {
	text, err := os.ReadFile(filepath.Join(payload, planName))
	if err != nil {
		return err
	}
	var jobs []job
	if err := json.Unmarshal(text, &jobs); err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "lane")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	for _, j := range jobs {
		if j.Lane != lane || j.Part != part {
			continue
		}
		if err := j.do(ctx, payload, temp, results); err != nil {
			return fmt.Errorf("%s: %w", j.Dir, err)
		}
	}
	if part != "" {
		lane += "/" + part
	}
	line, err := json.Marshal(event{Action: "pass", Package: lanePackage, Test: lane})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(results, "%s\n", line)
	return err
}

// do runs one test program. What it says goes out line by line, so that nothing gets in between.
func (j *job) do(ctx context.Context, payload, temp string, results io.Writer) error {
	cmd := exec.CommandContext(ctx, filepath.Join(payload, jsonName), "-t", "-p", module+"/"+j.Dir+"@"+j.Lane,
		filepath.Join(payload, testsName, j.Program), "-test.v=test2json", "-test.paniconexit0",
		"-test.timeout="+j.Limit, "-test.run="+j.Run, "-test.skip="+j.Skip)
	cmd.Dir = filepath.Join(payload, sourceName, j.Dir)
	cmd.Env = append(os.Environ(), "MANAGER_BIN="+filepath.Join(payload, programsName), "TMPDIR="+temp,
		"MANAGER_TEST_CACHE="+filepath.Join(temp, "cache"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return err
	}
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			if _, err := results.Write(line); err != nil {
				return errors.Join(err, cmd.Process.Kill(), cmd.Wait())
			}
		}
		if err != nil {
			break
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) { // that tests failed is in the events
		return err
	}
	return nil
}
