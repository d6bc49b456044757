package testenv

import (
	"math/rand/v2"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Racer does something over and over while a test does something else.
type Racer struct {
	stop, done chan struct{}
	swaps      atomic.Int64
}

// Race begins to exchange two names over and over, with pauses of up to a millisecond so that either is met.
func Race(t testing.TB, a, b string) *Racer {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	return RaceWith(t, func() (swaps int64) {
		if unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE) == nil {
			swaps = 1
		}
		time.Sleep(time.Duration(random.IntN(1000)) * time.Microsecond)
		return swaps
	})
}

// RaceWith begins to call do over and over, which tells how much it has exchanged and pauses.
func RaceWith(t testing.TB, do func() (swaps int64)) *Racer {
	t.Helper()
	r := &Racer{stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(r.done)
		for {
			select {
			case <-r.stop:
				return
			default:
			}
			r.swaps.Add(do())
		}
	}()
	t.Cleanup(r.End)
	return r
}

// End stops it; it may be called twice.
func (r *Racer) End() {
	select {
	case <-r.done:
	default:
		close(r.stop)
		<-r.done
	}
}

// Swaps is how much was exchanged so far.
func (r *Racer) Swaps() int64 { return r.swaps.Load() }

// RaceTime is how long a test of a race goes on: $MANAGER_SOAK, or else what is usual for it.
func RaceTime(usual time.Duration) time.Duration {
	if d, err := time.ParseDuration(os.Getenv("MANAGER_SOAK")); err == nil && d > 0 {
		return d
	}
	return usual
}
