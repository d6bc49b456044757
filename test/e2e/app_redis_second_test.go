package e2e

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/testenv"
)

// TestRedisEverySecond has redis write to disk once a second only. A pause and an orderly restart
// lose nothing then; a kill loses the last second at most, or the two more for which redis holds
// writes back when the disk is too slow for that. Source: redis.conf, "appendfsync".
func TestRedisEverySecond(t *testing.T) {
	t.Parallel()
	m := testenv.NewManager(t)
	m.Image(t, "redis")
	port := freePort(t)
	address := "127.0.0.1:" + port
	m.MustRun(t, "run", "-d", "--name", "kv", "--network", "host", "-v", "kv:/data", "localhost/redis",
		"redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", "/data", "--appendonly", "yes", "--appendfsync", "everysec", "--save", "")
	ready := func() {
		t.Helper()
		until(t, 20*time.Second, func() error { _, err := ask(address, "PING"); return err })
	}
	ready()
	load := newRedisLoad(address, 8)

	load.start()
	load.until(t, 1000)
	m.MustRun(t, "pause", "kv")
	still := load.confirmed()
	m.MustRun(t, "unpause", "kv")
	load.until(t, still+1000)
	if errs := load.stop(); len(errs) > 0 {
		t.Errorf("errors during the pause: %v", errs)
	}
	load.check(t, "pause")

	for range 3 {
		load.start()
		begin := time.Now()
		load.until(t, load.confirmed()+1000)
		until(t, 20*time.Second, func() error { // long enough for more than a second to be at stake
			if time.Since(begin) < 1500*time.Millisecond {
				return errors.New("the load is too young")
			}
			return nil
		})
		limit := time.Second
		info, err := ask(address, "INFO", "persistence")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(info, "aof_delayed_fsync:0\r") {
			t.Log("the disk is slow")
			limit += 2 * time.Second
		}
		killed := time.Now()
		m.MustRun(t, "kill", "-s", "KILL", "kv")
		expect(t, m, "137", "wait", "kv")
		load.stop()
		m.MustRun(t, "start", "kv")
		ready()
		load.checkSince(t, "kill", killed.Add(-limit))
	}

	load.start()
	load.until(t, load.confirmed()+1000)
	m.MustRun(t, "restart", "kv")
	load.stop()
	ready()
	load.check(t, "restart")
	m.MustRun(t, "stop", "kv")
	expect(t, m, "exited 0", "inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", "kv")
}
