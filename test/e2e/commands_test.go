package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/testenv"
)

// commands are the scripts' own commands.
//
//	[!] manager ARG...              run the program; "!" wants a failure
//	exits CODE ARG...               run the program and want that exit code
//	image NAME...                   make a fixture available as localhost/NAME
//	wait-status ID STATE            wait until the container has the state
//	retry SECONDS REGEXP ARG...     run the program until it succeeds and its output matches
//	background NAME ARG...          start the program, go on
//	await NAME CODE                 wait for it, want that exit code; its output is stdout
//	json PATH [VALUE]               take .A.B[0] of the last output; compare, or make it stdout
//	capture NAME                    put the last output into the variable NAME
//	kill9 REGEXP                    SIGKILL this script's processes whose arguments match
//	terminal CODE RxC STEPS ARG...  run the program on a terminal and play steps, see cmdTerminal
//	signal NAME REGEXP              send a signal to this script's processes whose arguments match
//	refused OPTION [VALUE]          want run and create to refuse the option in one line, see cmdRefused
//	needs FEATURE...                leave the script to a lane with these features, see testenv.Need
//	residue                         nothing but files may be left now
var commands = map[string]func(*testscript.TestScript, bool, []string){
	"manager": cmdManager, "exits": cmdExits, "image": cmdImage, "wait-status": cmdWaitStatus,
	"retry": cmdRetry, "background": cmdBackground, "await": cmdAwait, "json": cmdJSON,
	"capture": cmdCapture, "kill9": cmdKill9, "residue": cmdResidue,
	"needs": cmdNeeds, "terminal": cmdTerminal, "signal": cmdSignal, "refused": cmdRefused,
}

// waiting bounds the commands that wait for something to become true.
const waiting = 20 * time.Second

// of returns the script's manager.
func of(ts *testscript.TestScript) *testenv.Manager {
	return ts.Value(managerKey{}).(*testenv.Manager)
}

// inScript is the script's manager for commands that do not go through testscript: what a script sets of the variables that
// the program heeds counts for them too.
func inScript(ts *testscript.TestScript) *testenv.Manager {
	m := *of(ts)
	m.Env = slices.Clip(m.Env)
	for _, name := range []string{"CONTAINERS_CONF", "CONTAINERS_CONF_OVERRIDE"} {
		if value := ts.Getenv(name); value != "" {
			m.Env = append(m.Env, name+"="+value)
		}
	}
	return &m
}

// need ends the script when a command has too few arguments or a "!" it cannot have.
func need(ts *testscript.TestScript, neg bool, args []string, atLeast int, usage string) {
	if neg || len(args) < atLeast {
		ts.Fatalf("usage: %s", usage)
	}
}

// cmdNeeds skips the script where a feature is missing; another world runs it.
func cmdNeeds(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1, "needs FEATURE...")
	var features []testenv.Feature
	for _, name := range args {
		if !slices.Contains(testenv.Features(), testenv.Feature(name)) {
			ts.Fatalf("no feature %s; there are %v", name, testenv.Features())
		}
		features = append(features, testenv.Feature(name))
	}
	reason, err := testenv.Missing(features...)
	ts.Check(err)
	if reason != "" {
		ts.Value(testKey{}).(testscript.T).Skip(reason)
	}
}

func cmdManager(ts *testscript.TestScript, neg bool, args []string) {
	m := of(ts)
	err := ts.Exec(m.Program, m.Args(args...)...)
	switch {
	case err != nil && !neg:
		ts.Fatalf("manager %s: %v", strings.Join(args, " "), err)
	case err == nil && neg:
		ts.Fatalf("manager %s succeeded", strings.Join(args, " "))
	}
}

func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "exits CODE ARG...")
	want := number(ts, args[0])
	m := of(ts)
	if got := exitCode(ts, ts.Exec(m.Program, m.Args(args[1:]...)...)); got != want {
		ts.Fatalf("manager %s: exit code %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// number reads an argument.
func number(ts *testscript.TestScript, text string) int {
	n, err := strconv.Atoi(text)
	ts.Check(err)
	return n
}

// exitCode is the code of a command that ran, 128+n for one that signal n ended.
func exitCode(ts *testscript.TestScript, err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return 128 + int(status.Signal())
		}
		return exit.ExitCode()
	}
	ts.Check(err)
	return 0
}

func cmdImage(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1, "image NAME...")
	for _, name := range args {
		ts.Check(of(ts).AddImage(name))
	}
}

func cmdWaitStatus(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "wait-status ID STATE")
	poll(ts, waiting, "^"+regexp.QuoteMeta(args[1])+"\n$", "inspect", "--type", "container", "--format", "{{.State.Status}}", args[0])
}

func cmdRetry(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 3, "retry SECONDS REGEXP ARG...")
	poll(ts, time.Duration(number(ts, args[0]))*time.Second, args[1], args[2:]...)
}

// poll runs the program until it succeeds and its output matches.
func poll(ts *testscript.TestScript, limit time.Duration, pattern string, args ...string) {
	match, err := regexp.Compile("(?m)" + pattern)
	ts.Check(err)
	for deadline := time.Now().Add(limit); ; time.Sleep(50 * time.Millisecond) {
		r := inScript(ts).Run(args...)
		if r.Code == 0 && match.MatchString(r.Stdout) {
			fmt.Fprint(ts.Stdout(), r.Stdout)
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("manager %s: no %q after %v; last: exit code %d\n%s%s",
				strings.Join(args, " "), pattern, limit, r.Code, r.Stdout, r.Stderr)
		}
	}
}

// job is a command in the background.
type job struct {
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
	done           chan error
}

func cmdBackground(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "background NAME ARG...")
	ctx, cancel := context.WithCancel(context.Background())
	j := &job{cmd: inScript(ts).Command(ctx, args[1:]...), done: make(chan error, 1)}
	j.cmd.Stdout, j.cmd.Stderr, j.cmd.WaitDelay = &j.stdout, &j.stderr, time.Second
	ts.Check(j.cmd.Start())
	go func() { j.done <- j.cmd.Wait() }()
	ts.Defer(cancel)
	jobs.put(ts, args[0], j)
}

func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "await NAME CODE")
	j := jobs.get(ts, args[0])
	select {
	case err := <-j.done:
		fmt.Fprint(ts.Stdout(), j.stdout.String())
		fmt.Fprint(ts.Stderr(), j.stderr.String())
		if got := exitCode(ts, err); got != number(ts, args[1]) {
			ts.Fatalf("%s: exit code %d, want %s\n%s", args[0], got, args[1], j.stderr.String())
		}
	case <-time.After(waiting):
		ts.Fatalf("%s still runs after %v", args[0], waiting)
	}
}

func cmdCapture(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1, "capture NAME")
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

func cmdKill9(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1, "kill9 REGEXP")
	signalMatching(ts, unix.SIGKILL, args[0])
}

func cmdSignal(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "signal NAME REGEXP")
	signalMatching(ts, unix.SignalNum("SIG"+args[0]), args[1])
}

// signalMatching signals those of the script's processes whose arguments match.
func signalMatching(ts *testscript.TestScript, sig syscall.Signal, pattern string) {
	match, err := regexp.Compile(pattern)
	ts.Check(err)
	list, err := testenv.Processes(of(ts).Marks())
	ts.Check(err)
	found := 0
	for _, p := range list {
		if match.MatchString(p.Command) && unix.Kill(p.PID, sig) == nil {
			ts.Logf("%v to %d (%s)", sig, p.PID, p.Command)
			found++
		}
	}
	if found == 0 {
		ts.Fatalf("no process of this script matches %q: %v", pattern, list)
	}
}

// cmdRefused wants create to refuse an option of this version's limits: exit code 125 and one line
// that begins with the option.
func cmdRefused(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1, "refused OPTION [VALUE]")
	words := append([]string{"create"}, args...)
	r := inScript(ts).Run(append(words, "busybox", "true")...)
	option, _, _ := strings.Cut(args[0], "=")
	if r.Code != 125 || r.Stdout != "" || strings.Count(r.Stderr, "\n") != 1 || !strings.HasPrefix(r.Stderr, "Error: "+option) {
		ts.Fatalf("%s: exit code %d\n%s%s", strings.Join(words, " "), r.Code, r.Stdout, r.Stderr)
	}
}

func cmdResidue(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 0, "residue")
	left, err := of(ts).Residue()
	ts.Check(err)
	if len(left) > 0 {
		ts.Fatalf("left behind:\n%s", strings.Join(left, "\n"))
	}
}

func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1, "json PATH [VALUE]")
	var value any
	decoder := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	decoder.UseNumber()
	ts.Check(decoder.Decode(&value))
	got, err := pick(value, args[0])
	ts.Check(err)
	if len(args) == 1 {
		fmt.Fprintln(ts.Stdout(), got)
		return
	}
	if got != args[1] {
		ts.Fatalf("%s is %q, want %q", args[0], got, args[1])
	}
}
