//go:build !lean

package image

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"go.podman.io/image/v5/docker"
)

// maxRetryDelay bounds the pause between two tries.
const maxRetryDelay = 30 * time.Second

// retry runs f again after transient failures, with a doubled pause and some jitter.
// Requests that get 429 were already repeated by the library, after the time that
// Retry-After asks for, so those failures are final here.
func (o RemoteOptions) retry(ctx context.Context, label string, progress ProgressFunc, f func() error) error {
	tries := uint(DefaultRetries)
	if o.Retries != nil {
		tries = *o.Retries
	}
	delay := o.RetryDelay
	if delay <= 0 {
		delay = DefaultRetryDelay
	}
	for attempt := uint(1); ; attempt++ {
		err := f()
		if err == nil || attempt > tries || !transient(err) || ctx.Err() != nil {
			return err
		}
		pause := min(delay, maxRetryDelay)
		pause += time.Duration(rand.Int64N(int64(pause)/4 + 1))
		progress.send(Event{Kind: EventRetry, Name: label, Err: oneLine(err), Delay: pause, Attempt: int(attempt)})
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
		delay *= 2
	}
}

// transient says whether the same request may succeed a little later. Names that do not
// resolve, addresses that refuse or cannot be reached, and bad certificates stay as they are.
func transient(err error) bool {
	if errors.Is(err, context.Canceled) || isMismatch(err) || isTLS(err) || errors.Is(err, docker.ErrTooManyRequests) ||
		errors.Is(err, errRequestRefused) || errors.Is(err, errEndless) {
		return false
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return dns.IsTemporary && !dns.IsNotFound && dns.IsTimeout
	}
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTUNREACH) {
		return false
	}
	switch status := httpStatus(err); {
	case status >= 500 && status != http.StatusNotImplemented:
		return true
	case status != 0:
		return false
	}
	for _, code := range registryCodes(err) {
		if code == "UNAVAILABLE" {
			return true
		}
		if code != "UNKNOWN" {
			return false
		}
	}
	return isNetwork(err) || strings.Contains(err.Error(), "unexpected EOF")
}
