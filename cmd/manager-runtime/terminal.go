package main

import (
	"io"
	"os"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// pump joins the caller's terminal with the container's until the container's end. The result
// waits for the rest of the output and puts the caller's terminal back.
func pump(console *os.File) (done func()) {
	restore := rawMode()
	resize(console)
	go func() { _, _ = io.Copy(console, os.Stdin) }()
	finished := make(chan struct{})
	go func() {
		_, _ = io.Copy(os.Stdout, console) // ends with EIO when the last slave is closed
		close(finished)
	}()
	return func() {
		const drain = 2 * time.Second // a process that outlives init may hold the terminal
		select {
		case <-finished:
		case <-time.After(drain):
		}
		_ = console.Close()
		restore()
	}
}

// ownSize gives a process that gets a terminal the size of the caller's, if nobody has chosen one: it is
// then right from its first instruction on.
func ownSize(p *specs.Process) {
	if p == nil || !p.Terminal || p.ConsoleSize != nil {
		return
	}
	if ws, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ); err == nil {
		p.ConsoleSize = &specs.Box{Height: uint(ws.Row), Width: uint(ws.Col)}
	}
}

func resize(console *os.File) {
	if ws, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ); err == nil {
		_ = unix.IoctlSetWinsize(int(console.Fd()), unix.TIOCSWINSZ, ws)
	}
}

// rawMode passes every key to the container.
func rawMode() (restore func()) {
	old, err := unix.IoctlGetTermios(0, unix.TCGETS)
	if err != nil {
		return func() {}
	}
	raw := *old
	raw.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	raw.Oflag &^= unix.OPOST
	raw.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	raw.Cflag = raw.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	_ = unix.IoctlSetTermios(0, unix.TCSETS, &raw)
	return func() { _ = unix.IoctlSetTermios(0, unix.TCSETS, old) }
}
