package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// cutWord of the machine's kernel command line makes it carry the load of a power cut, with the seed that
	// follows, instead of tests; with "end" it only looks at what the last cut left.
	cutWord = "machine.cut="
	// cutEntries is the file of the payload with the lines of the boots before.
	cutEntries = "entries"
	// cutDir is where in the machine everything is, the run directories too: they are then as a power cut
	// leaves them.
	cutDir = "/var/lib/cut"
	// cutWorkers do their ops at the same time, each with things of its own.
	cutWorkers = 3
)

// A cutter uses the manager in the machine and tells the host.
type cutter struct {
	payload string
	results io.Writer
	mu      sync.Mutex // of results
}

// runCut looks at what is there, makes it all anew, and goes on until the power is cut.
func runCut(ctx context.Context, payload, word string, results io.Writer) error {
	c := &cutter{payload: payload, results: results}
	if err := c.settings(); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(payload, cutEntries))
	if err != nil {
		return err
	}
	wrong := c.look(ctx, readBook(string(text)))
	for _, line := range append(wrong, c.reset(ctx)...) {
		c.tell("wrong: " + line)
	}
	if word == "end" {
		c.tell("end")
		return nil
	}
	seed, err := strconv.ParseUint(word, 10, 64)
	if err != nil {
		return err
	}
	c.tell("load")
	var wait sync.WaitGroup
	for worker := range cutWorkers {
		wait.Go(func() { c.work(ctx, worker, rand.New(rand.NewPCG(seed, uint64(worker)))) })
	}
	wait.Wait()
	return errors.New("the load ended by itself")
}

// tell sends a line to the host.
func (c *cutter) tell(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintln(c.results, strings.ReplaceAll(line, "\n", " / "))
}

// settings writes what the commands read; the power may have gone while it was written before.
func (c *cutter) settings() error {
	dir := filepath.Join(cutDir, "home/.config/containers")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "policy.json"), []byte(`{"default": [{"type": "insecureAcceptAnything"}]}`), 0o600),
		os.WriteFile(filepath.Join(cutDir, "storage.conf"), []byte("[storage]\ndriver = \"overlay\"\n"), 0o600),
		os.MkdirAll(filepath.Join(cutDir, "tmp"), 0o700))
}

// manager runs a command; an error has what it said.
func (c *cutter) manager(ctx context.Context, args ...string) (string, error) {
	all := []string{"--root", cutDir + "/root", "--runroot", cutDir + "/run", "--tmpdir", cutDir + "/tmp"}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(c.payload, programsName, "manager"), append(all, args...)...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + cutDir + "/home", "TMPDIR=" + cutDir + "/tmp", "LC_ALL=C.UTF-8",
		"CONTAINERS_STORAGE_CONF=" + cutDir + "/storage.conf",
	}
	var out, complaints strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &complaints
	err := cmd.Run()
	if err != nil || complaints.Len() > 0 && !strings.Contains(complaints.String(), "Found incomplete layer") {
		err = fmt.Errorf("manager %s: %w: %s", strings.Join(args, " "), errors.Join(err), complaints.String())
	}
	return strings.TrimSpace(out.String()), err
}

// look compares what is there with the book, and tries it.
func (c *cutter) look(ctx context.Context, b *book) (wrong []string) {
	found := map[string]string{}
	list := func(kind string, args ...string) {
		out, err := c.manager(ctx, args...)
		if err != nil {
			wrong = append(wrong, err.Error())
		}
		for name := range strings.FieldsSeq(out) {
			found[kind+" "+name] = ""
		}
	}
	list("container", "ps", "--all", "--format", "{{.Names}}")
	list("volume", "volume", "ls", "--quiet")
	list("image", "images", "--format", "{{.Repository}}")
	delete(found, "image "+cutBase)
	for _, thing := range slices.Sorted(maps.Keys(found)) {
		kind, name, _ := strings.Cut(thing, " ")
		var err error
		switch kind {
		case "container":
			_, err = c.manager(ctx, "start", name)
		case "volume":
			var at string
			if at, err = c.manager(ctx, "volume", "inspect", "--format", "{{.Mountpoint}}", name); err == nil {
				text, _ := os.ReadFile(filepath.Join(at, "file")) // there is none before the first data
				found[thing] = strings.TrimSpace(string(text))
				_, err = os.Stat(at)
			}
		case "image":
			var got string
			got, err = c.manager(ctx, "run", "--rm", "--network", "none", "--mount", "type=image,source="+name+",destination=/i", cutBase,
				"sh", "-c", "cat /i/first/file; wc -c </i/second/file")
			if want := "one\n" + strconv.Itoa(cutSize); err == nil && got != want {
				err = fmt.Errorf("image %s has %q, want %q", name, got, want)
			}
		}
		if err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	return append(wrong, b.compare(found)...)
}

// reset removes everything but the base image, which it makes sure of, and wants nothing left.
func (c *cutter) reset(ctx context.Context) (wrong []string) {
	do := func(args ...string) string {
		out, err := c.manager(ctx, args...)
		if err != nil {
			wrong = append(wrong, err.Error())
		}
		return out
	}
	do("rm", "--all", "--force", "--time", "0")
	do("volume", "prune", "--all", "--force")
	for name := range strings.FieldsSeq(do("images", "--format", "{{.Repository}}")) {
		if name != cutBase {
			do("rmi", name)
		}
	}
	if _, err := c.manager(ctx, "image", "exists", cutBase); err != nil {
		do("load", "--quiet", "--input", filepath.Join(c.payload, "base.tar"))
	}
	// What a load was unpacking goes with the next one of the same image.
	for worker := range cutWorkers {
		do("load", "--quiet", "--input", filepath.Join(c.payload, fmt.Sprintf("i%d.tar", worker)))
		do("rmi", fmt.Sprintf("localhost/i%d", worker))
	}
	for pattern, most := range map[string]int{
		"root/overlay/*": 1, "root/manager/containers/*": 0, "tmp/containers/*": 0, "root/volumes/*": 0,
		"tmp/manager-image-*": 0, "root/overlay-containers/*-*": 0,
	} {
		left, _ := filepath.Glob(filepath.Join(cutDir, pattern))
		left = slices.DeleteFunc(left, func(path string) bool {
			name := filepath.Base(path)
			return strings.HasSuffix(name, ".json") || strings.HasSuffix(name, "-check") ||
				strings.HasPrefix(name, ".") || name == "l" || name == "tempdirs" // the driver's own
		})
		if len(left) > most {
			wrong = append(wrong, fmt.Sprintf("left behind: %v", left))
		}
	}
	c.tell("reset")
	return wrong
}

// work does ops that fit what its own book says, and tells of each before and after.
func (c *cutter) work(ctx context.Context, worker int, r *rand.Rand) {
	mine := newBook()
	for i := 0; ctx.Err() == nil; i++ {
		o := nextOp(mine, worker, i, r)
		c.tell(fmt.Sprintf("begin %d %s", worker, o))
		if err := c.do(ctx, o); err != nil {
			c.tell(fmt.Sprintf("wrong: %s: %v", o, err))
			return
		}
		mine.do(o)
		c.tell(fmt.Sprintf("done %d %s", worker, o))
	}
}

// nextOp chooses an op that can be done.
func nextOp(mine *book, worker, i int, r *rand.Rand) op {
	name := fmt.Sprintf("w%dn%d", worker, r.IntN(3))
	has := func(kind string) bool { _, ok := mine.have[kind+" "+name]; return ok }
	switch r.IntN(8) {
	case 0:
		return op{"once", name}
	case 1, 2:
		if has("container") {
			return op{"rm", name}
		}
		return op{[]string{"create", "run"}[r.IntN(2)], name}
	case 3:
		if to := fmt.Sprintf("w%dm%d", worker, i); has("container") {
			return op{"rename", name, to}
		}
		return op{"create", name}
	case 4:
		if !has("volume") {
			return op{"volume", name}
		}
		return op{"unvolume", name}
	case 5:
		return op{"data", name, strconv.Itoa(i)}
	default:
		if name = fmt.Sprintf("localhost/i%d", worker); has("image") {
			return op{"rmi", name}
		}
		return op{"load", name}
	}
}

// do carries an op out.
func (c *cutter) do(ctx context.Context, o op) error {
	var args []string
	switch o[0] {
	case "once":
		args = []string{"run", "--rm", "--network", "none", "-v", "/anonymous", cutBase, "touch", "/anonymous/file", "/file"}
	case "create":
		args = []string{"create", "--name", o[1], "--network", "none", cutBase, "true"}
	case "run":
		args = []string{"run", "-d", "--name", o[1], "--network", "none", cutBase, "sleep", "1000"}
	case "rm":
		args = []string{"rm", "--force", "--time", "0", o[1]}
	case "rename":
		args = []string{"rename", o[1], o[2]}
	case "volume":
		args = []string{"volume", "create", o[1]}
	case "unvolume":
		args = []string{"volume", "rm", o[1]}
	case "data":
		// What a program writes is its own to put on the disk.
		args = []string{
			"run", "--rm", "--network", "none", "-v", o[1] + ":/v", cutBase,
			"sh", "-c", "echo " + o[2] + " | dd of=/v/new conv=fsync 2>/dev/null && mv /v/new /v/file && dd if=/dev/null of=/v/last conv=fsync 2>/dev/null",
		}
	case "load":
		args = []string{"load", "--quiet", "--input", filepath.Join(c.payload, filepath.Base(o[1])+".tar")}
	case "rmi":
		args = []string{"rmi", o[1]}
	}
	_, err := c.manager(ctx, args...)
	return err
}
