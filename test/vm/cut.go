package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/manager-project/manager/internal/testenv"
	"github.com/manager-project/manager/internal/testenv/evil"
)

const (
	// laneCut is the lane in which the machine's power is cut: it is no lane of tests.
	laneCut = "powercut"
	// cutBase is the image of the machine's containers.
	cutBase = "localhost/busybox"
	// cutSize is the size of a file in the images that are loaded, in bytes.
	cutSize = 400_000
	// cutDone is the most commands that are done before the cut, and cutAfter the longest time between the last
	// of them and the cut. A count, since a busy host may take a minute for each.
	cutDone  = 30
	cutAfter = time.Second
)

// runCuts cuts the machine's power so many times, each at a random moment of a mixed load, by killing
// QEMU. What the guest's kernel had not sent to the disk is lost; the same disk is booted again, where
// everything that a command had reported done before the cut has to be there, without a repair. The last
// boot only looks.
//
// A disk that loses its own cache is not played: QEMU's file has all that the guest wrote.
func runCuts(ctx context.Context, opts *options, dir string, began time.Time) error {
	files, err := testenv.BuildMachine()
	if err != nil {
		return err
	}
	payload := filepath.Join(dir, "cut-payload")
	if err := makeCutPayload(opts, payload); err != nil {
		return err
	}
	disk := filepath.Join(dir, "cut.disk")
	if out, err := exec.CommandContext(ctx, "cp", "--sparse=always", "--reflink=auto", files.Disk, disk).CombinedOutput(); err != nil {
		return fmt.Errorf("copy the disk: %w: %s", err, out)
	}
	var errs []error
	entries, done := "", 0
	seed := opts.seed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	progress(began, fmt.Sprintf("power cuts: seed %d", seed))
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range opts.cuts + 1 {
		if err := os.WriteFile(filepath.Join(payload, cutEntries), []byte(entries), 0o600); err != nil {
			return err
		}
		c := &cut{machine: machine{files: files, accel: opts.accel, disk: disk, dir: filepath.Join(dir, fmt.Sprint("cut", i))}, word: "end"}
		if i < opts.cuts {
			c.word, c.want, c.after = fmt.Sprint(r.Uint32()), 1+r.IntN(cutDone), time.Duration(r.Int64N(int64(cutAfter)))
		}
		err := c.run(ctx, payload, opts.limit)
		if removeErr := os.RemoveAll(c.dir); removeErr != nil {
			errs = append(errs, removeErr)
		}
		for _, line := range c.wrong {
			progress(began, fmt.Sprintf("power cuts: boot %d: %s", i, line))
			errs = append(errs, fmt.Errorf("boot %d: %s", i, line))
		}
		if err != nil {
			return errors.Join(append(errs, fmt.Errorf("boot %d: %w", i, err))...)
		}
		entries += strings.Join(c.lines, "\n") + "\n"
		done += c.done
		progress(began, fmt.Sprintf("power cuts: boot %d: %d things wrong; %d commands done, cut %v later", i, len(c.wrong), c.done, c.after.Round(time.Millisecond)))
	}
	if done == 0 {
		errs = append(errs, errors.New("no command was done before the cuts"))
	}
	return errors.Join(errs...)
}

// makeCutPayload fills the second disk of the machine: the programs and the images.
func makeCutPayload(opts *options, dir string) error {
	if opts.bin == "" {
		return errors.New("-bin or $MANAGER_BIN has to name the folder of the built programs")
	}
	if err := os.MkdirAll(filepath.Join(dir, programsName), 0o755); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	base, err := testenv.BuildImage("busybox")
	if err != nil {
		return err
	}
	for from, to := range map[string]string{self: insideName, base: "base.tar", filepath.Join(opts.bin, "manager"): programsName + "/manager"} {
		if err := copyFile(from, filepath.Join(dir, to)); err != nil {
			return err
		}
	}
	for worker := range cutWorkers {
		name := fmt.Sprintf("i%d", worker)
		img := evil.Image{Name: "localhost/" + name + ":latest", Layers: [][]byte{
			evil.Layer(evil.Dir("first", 0o755), evil.File("first/file", "one\n", 0o644), evil.File("first/name", name, 0o644)),
			evil.Layer(evil.Dir("second", 0o755), evil.File("second/file", strings.Repeat("x", cutSize), 0o644)),
		}}
		if err := evil.DockerArchive(filepath.Join(dir, name+".tar"), img); err != nil {
			return err
		}
	}
	return nil
}

// A cut is one boot of the machine and its end.
type cut struct {
	machine
	word  string
	want  int           // commands are done first
	after time.Duration // between them and the cut

	lines []string // entries of the book
	wrong []string // what the machine found wrong
	done  int
	ended bool
}

// run boots, listens, and cuts the power when it is time.
func (c *cut) run(ctx context.Context, payload string, limit time.Duration) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	disk := filepath.Join(c.dir, "payload.img")
	if err := errors.Join(os.MkdirAll(c.dir, 0o700), testenv.MakePayload(disk, payload)); err != nil {
		return err
	}
	cmd, err := c.command(ctx, disk, cutWord+c.word, "systemd.mask=serial-getty@ttyS0.service")
	if err != nil {
		return err
	}
	port, err := net.Listen("unix", filepath.Join(c.dir, "results"))
	if err != nil {
		return err
	}
	defer port.Close()
	console := filepath.Join(c.dir, "console")
	var complaints strings.Builder
	cmd.Stdout, cmd.Stderr = &complaints, &complaints
	cmd.Args = append(cmd.Args, "-serial", "file:"+console,
		"-chardev", "socket,id=results,path="+port.Addr().String(), "-device", "virtserialport,chardev=results,name=results")
	alive := &life{console: console, limit: limit, end: cancel}
	alive.timer = time.AfterFunc(limit, alive.look)
	defer alive.timer.Stop()
	if err := cmd.Start(); err != nil {
		return err
	}
	loading := false
	read := make(chan error, 1)
	go func() {
		conn, err := port.Accept()
		if err != nil {
			read <- err
			return
		}
		defer conn.Close()
		lines := bufio.NewScanner(conn)
		for lines.Scan() {
			alive.timer.Reset(limit)
			if c.take(strings.TrimSpace(lines.Text())) {
				loading = true
			}
			if c.done == c.want && loading && !c.ended {
				c.ended = true
				time.AfterFunc(c.after, func() { _ = cmd.Process.Kill() })
			}
		}
		read <- lines.Err()
	}()
	ended := cmd.Wait()
	_ = port.Close()
	readErr := <-read
	if loading || c.ended {
		return nil // killed, or powered off
	}
	return fmt.Errorf("%w; the end of its console:\n%s", whyEnded(ctx, ended, readErr, complaints.String()), tail(console, 60))
}

// take handles one line of the machine; true says that the load begins. At its end the machine powers off.
func (c *cut) take(line string) bool {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "wrong:":
		c.wrong = append(c.wrong, rest)
	case "begin", "done", "reset":
		c.lines = append(c.lines, line)
		if verb == "done" {
			c.done++
		}
	case "end":
		c.ended = true
	}
	return verb == "load"
}
