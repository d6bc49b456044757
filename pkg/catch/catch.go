// Package catch collects signals that are to be passed on to another process, without delaying that process.
//
// Each signal that is subscribed to takes the Go runtime some changes of threads: all of them are half a
// millisecond, and as much again to give them back. So those that people and terminals send are caught before
// there is anything to pass them to, and the others, which a Go program ignores or dies of, one by one when what they
// are passed to has run for a moment: many programs are done before.
package catch

import (
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

// last is the highest signal of Linux, SIGRTMAX.
const last = 64

// Usual are the signals that people send.
var Usual = []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2}

// moment is how long the other process runs before the rest is caught.
const moment = 25 * time.Millisecond

// Rest subscribes ch to all signals but those given, one after the other after a moment, until done is closed. It does
// not give them back: the program is about to end then.
func Rest(ch chan<- os.Signal, done <-chan struct{}, but ...os.Signal) {
	select {
	case <-done:
		return
	case <-time.After(moment):
	}
	for s := syscall.Signal(1); s <= last; s++ {
		if s == syscall.SIGKILL || s == syscall.SIGSTOP || slices.Contains(but, os.Signal(s)) {
			continue
		}
		select {
		case <-done:
			return
		default:
			signal.Notify(ch, s)
		}
	}
}
