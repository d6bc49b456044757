package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/manager-project/manager/internal/testenv"
)

// kernelWords begin the kernel's command line. A busy host keeps an emulated processor waiting: the kernel
// must neither panic because a timer seems dead while it starts nor watch for lock-ups. If it does panic it
// restarts at once, which ends QEMU (-no-reboot). systemd is as patient, and shows failures without an animation.
const kernelWords = "root=/dev/vda rw console=ttyS0 edd=off no_timer_check nowatchdog panic=-1 tsc=reliable mitigations=off init_on_alloc=0 " +
	"systemd.show_status=error systemd.default_timeout_start_sec=900"

// A machine is one boot of the virtual machine.
type machine struct {
	files *testenv.MachineFiles
	// accel is QEMU's -accel.
	accel string
	// disk is a copy of the machine's that keeps what is written, or "" for changes that are thrown away.
	disk string
	// dir is a folder for this boot, which is made here and removed by the caller.
	dir string
}

// cpu has all that QEMU emulates but page tables of five levels, for each miss of the TLB walks them in software, fast copying by
// bytes, for it is emulated byte by byte, and virtual machines, for which Linux would load KVM at each boot.
const cpu = "max,la57=off,erms=off,svm=off"

// command is QEMU with the machine, a payload's disk as its second one, and a kernel command line.
// It dies with the thread that starts it.
func (m *machine) command(ctx context.Context, payload string, words ...string) (*exec.Cmd, error) {
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		return nil, err
	}
	// Changes go into a file without a name in $TMPDIR; the cached disk stays as it is.
	root := "if=virtio,format=raw,snapshot=on,cache=unsafe,file=" + m.files.Disk
	if m.disk != "" {
		root = "if=virtio,format=raw,cache=writeback,file=" + m.disk
	}
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", "-accel", m.accel, "-cpu", cpu, "-smp", "2", "-m", "2048",
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-kernel", m.files.Kernel, "-initrd", m.files.Initrd,
		"-append", strings.Join(append([]string{kernelWords}, words...), " "),
		"-drive", root,
		"-drive", "if=virtio,format=raw,readonly=on,file="+payload,
		"-device", "virtio-rng-pci", "-device", "virtio-serial")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd, nil
}

// runTests boots, passes on what the tests say, and ends the machine when it says nothing for the limit's
// time, or goes on for ten times as long: a slow host is no reason, a hang is. It counts the tests. The lanes' failures are events; an
// error is one of this host.
func (m *machine) runTests(ctx context.Context, b *boot, payload string, limit time.Duration) (tests int, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ctx, stop := context.WithTimeoutCause(ctx, 10*limit, fmt.Errorf("the machine was not through after %v", 10*limit))
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cmd, err := m.command(ctx, payload, b.Append, lanesWord+strings.Join(b.Lanes, ","), "systemd.mask=serial-getty@ttyS0.service")
	if err != nil {
		return 0, err
	}
	port, err := net.Listen("unix", filepath.Join(m.dir, "results"))
	if err != nil {
		return 0, err
	}
	defer port.Close()
	console := filepath.Join(m.dir, "console")
	var complaints strings.Builder
	cmd.Stdout, cmd.Stderr = &complaints, &complaints
	cmd.Args = append(cmd.Args, "-serial", "file:"+console,
		"-chardev", "socket,id=results,path="+port.Addr().String(), "-device", "virtserialport,chardev=results,name=results")
	watch := newWatcher(b.Lanes)
	alive := &life{console: console, limit: limit, end: cancel}
	alive.timer = time.AfterFunc(limit, alive.look)
	defer alive.timer.Stop()
	watch.heard = func() { alive.timer.Reset(limit) }
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	read := make(chan error, 1)
	go func() { read <- readPort(port, watch) }()
	ended := cmd.Wait()
	_ = port.Close() // the machine is gone, connected or not
	if err := <-read; len(watch.left) > 0 {
		watch.end(fmt.Errorf("%w; the end of its console:\n%s", whyEnded(ctx, ended, err, complaints.String()), tail(console, 60)))
	}
	return watch.tests, nil
}

// life ends a machine that gives no sign of it: neither results nor a word on its console.
type life struct {
	console string
	size    int64 // of the console when it was last looked at
	limit   time.Duration
	end     context.CancelCauseFunc
	timer   *time.Timer
}

// look is called when there were no results for the limit's time.
func (l *life) look() {
	info, err := os.Stat(l.console)
	if err != nil || info.Size() == l.size {
		l.end(fmt.Errorf("the machine said nothing for %v", l.limit))
		return
	}
	l.size = info.Size()
	l.timer.Reset(l.limit)
}

// readPort passes on what comes from the machine's port until the machine closes it.
func readPort(port net.Listener, watch *watcher) error {
	conn, err := port.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	return watch.read(conn)
}

// whyEnded says why a machine ended before its tests.
func whyEnded(ctx context.Context, ended, read error, complaints string) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case ended != nil:
		return fmt.Errorf("qemu: %w: %s", ended, strings.TrimSpace(complaints))
	case read != nil && !errors.Is(read, net.ErrClosed):
		return read
	}
	return errors.New("the machine powered off before the tests were through")
}

// tail is the last lines of a file.
func tail(path string, count int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-count):], "\n")
}

// runShell boots with a root shell on the terminal; the payload is there as in a test.
func runShell(ctx context.Context, opts *options, words []string) error {
	dir, err := os.MkdirTemp("", "vm")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	payload := filepath.Join(dir, "payload")
	if err := makePayload(ctx, opts, payload, laneNames()); err != nil {
		return err
	}
	files, err := testenv.BuildMachine()
	if err != nil {
		return err
	}
	disk := filepath.Join(dir, "payload.img")
	if err := testenv.MakePayload(disk, payload); err != nil {
		return err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	m := &machine{files: files, accel: opts.accel, dir: filepath.Join(dir, "boot")}
	cmd, err := m.command(ctx, disk, append(words, testenv.MachineShell)...)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "The payload is at %s; leave with \"poweroff\", or with C-a x.\r\n", testenv.MachinePayload)
	cmd.Args = append(cmd.Args, "-serial", "mon:stdio")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}
