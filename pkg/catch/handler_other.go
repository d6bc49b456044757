//go:build !amd64

package catch

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// install has the numbers of signals written to a pipe, by way of the Go runtime.
func install(w int, signals []syscall.Signal) (put func() error, err error) {
	list := make([]os.Signal, len(signals))
	for i, s := range signals {
		list[i] = s
	}
	ch, done := make(chan os.Signal, 128), make(chan struct{})
	signal.Notify(ch, list...)
	go func() {
		defer close(done)
		for s := range ch {
			_, _ = unix.Write(w, []byte{byte(s.(syscall.Signal))})
		}
	}()
	return func() error {
		signal.Stop(ch)
		close(ch)
		<-done
		return nil
	}, nil
}
