package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/testenv"
)

// TestRedis writes to redis from several clients while its container is paused, killed and
// restarted. What redis had confirmed must be there afterwards.
func TestRedis(t *testing.T) {
	t.Parallel()
	m := testenv.NewManager(t)
	m.Image(t, "redis")
	port := freePort(t)
	address := "127.0.0.1:" + port
	m.MustRun(t, "run", "-d", "--name", "kv", "--network", "host", "-v", "kv:/data", "localhost/redis",
		"redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", "/data", "--appendonly", "yes", "--appendfsync", "always", "--save", "")
	ready := func() {
		t.Helper()
		until(t, 20*time.Second, func() error { _, err := ask(address, "PING"); return err })
	}
	ready()
	expect(t, m, "redis", "exec", "kv", "id", "-un")
	load := newRedisLoad(address, 8)

	// A pause is a gap in the latency and nothing else.
	load.start()
	load.until(t, 500)
	m.MustRun(t, "pause", "kv")
	expect(t, m, "paused", "inspect", "--format", "{{.State.Status}}", "kv")
	still := load.confirmed()
	time.Sleep(1200 * time.Millisecond)
	if now := load.confirmed(); now > still+load.clients {
		t.Errorf("a paused server confirmed %d writes", now-still)
	}
	m.MustRun(t, "unpause", "kv")
	load.until(t, still+500)
	if errs := load.stop(); len(errs) > 0 {
		t.Errorf("errors during the pause: %v", errs)
	}
	if load.slowest < time.Second || load.slowest > 10*time.Second {
		t.Errorf("the slowest write took %v", load.slowest)
	}
	load.check(t, "pause")

	load.start()
	load.until(t, load.confirmed()+500)
	m.MustRun(t, "kill", "-s", "KILL", "kv")
	expect(t, m, "137", "wait", "kv")
	if errs := load.stop(); len(errs) != load.clients {
		t.Errorf("%d clients saw the kill, want %d", len(errs), load.clients)
	}
	m.MustRun(t, "start", "kv")
	ready()
	load.check(t, "kill")

	load.start()
	load.until(t, load.confirmed()+500)
	m.MustRun(t, "restart", "kv")
	load.stop()
	ready()
	load.check(t, "restart")
	m.MustRun(t, "stop", "kv")
	expect(t, m, "exited 0", "inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", "kv")
	t.Logf("%d writes confirmed, slowest %v", load.confirmed(), load.slowest)
}

// redisLoad is a number of clients; each counts its own key up and notes what was confirmed.
type redisLoad struct {
	address string
	clients int
	halt    chan struct{}
	done    sync.WaitGroup

	mu      sync.Mutex
	counts  []int         // confirmed value by client
	times   [][]time.Time // when each value since the last check was confirmed, by client
	checked []int         // the value at the last check
	errs    []error
	slowest time.Duration
}

func newRedisLoad(address string, clients int) *redisLoad {
	return &redisLoad{address: address, clients: clients, counts: make([]int, clients), times: make([][]time.Time, clients), checked: make([]int, clients)}
}

// start lets the clients write until stop or an error.
func (l *redisLoad) start() {
	l.halt = make(chan struct{})
	for i := range l.clients {
		l.done.Go(func() {
			if err := l.client(i); err != nil {
				l.mu.Lock()
				l.errs = append(l.errs, err)
				l.mu.Unlock()
			}
		})
	}
}

// stop ends the clients and returns the errors since start.
func (l *redisLoad) stop() []error {
	close(l.halt)
	l.done.Wait()
	errs := l.errs
	l.errs = nil
	return errs
}

// client writes ever larger numbers to its key.
func (l *redisLoad) client(i int) error {
	conn, err := net.Dial("tcp", l.address)
	if err != nil {
		return err
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	for n := l.counts[i] + 1; ; n++ {
		select {
		case <-l.halt:
			return nil
		default:
		}
		begin := time.Now()
		answer, err := command(conn, in, "SET", fmt.Sprintf("client:%d", i), strconv.Itoa(n))
		if err == nil && answer != "OK" {
			err = fmt.Errorf("SET: answer %q", answer)
		}
		if err != nil {
			return err
		}
		l.mu.Lock()
		l.counts[i] = n
		l.times[i] = append(l.times[i], time.Now())
		l.slowest = max(l.slowest, time.Since(begin))
		l.mu.Unlock()
	}
}

// confirmed is the number of all confirmed writes.
func (l *redisLoad) confirmed() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	sum := 0
	for _, n := range l.counts {
		sum += n
	}
	return sum
}

// until waits until so many writes are confirmed.
func (l *redisLoad) until(t *testing.T, writes int) {
	t.Helper()
	until(t, 30*time.Second, func() error {
		if now := l.confirmed(); now < writes {
			return fmt.Errorf("%d of %d writes", now, writes)
		}
		return nil
	})
}

// check compares what is stored with what was confirmed. The last write of a client may
// have been done without its confirmation having come back; it then counts as confirmed.
func (l *redisLoad) check(t *testing.T, after string) {
	t.Helper()
	l.checkSince(t, after, time.Now())
}

// checkSince allows for the loss of what was confirmed later than that.
func (l *redisLoad) checkSince(t *testing.T, after string, since time.Time) {
	t.Helper()
	lost := 0
	for i, last := range l.counts {
		confirmed := l.checked[i]
		for n, when := range l.times[i] {
			if when.Before(since) {
				confirmed = l.checked[i] + n + 1
			}
		}
		text, err := ask(l.address, "GET", fmt.Sprintf("client:%d", i))
		if err != nil {
			t.Fatalf("after %s: %v", after, err)
		}
		stored, err := strconv.Atoi(text)
		if err != nil || stored < confirmed || stored > last+1 {
			t.Errorf("after %s client %d has %q, confirmed was %d, later %d", after, i, text, confirmed, last)
		}
		lost += max(0, last-stored)
		l.counts[i], l.checked[i], l.times[i] = stored, stored, nil
	}
	t.Logf("after %s %d confirmed writes are lost", after, lost)
}

// ask sends one command over a connection of its own.
func ask(address string, words ...string) (string, error) {
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", err
	}
	return command(conn, bufio.NewReader(conn), words...)
}

// command sends a command and reads a simple or bulk string. Source: Redis serialization
// protocol specification, version 2.
func command(conn net.Conn, in *bufio.Reader, words ...string) (string, error) {
	text := fmt.Sprintf("*%d\r\n", len(words))
	for _, w := range words {
		text += fmt.Sprintf("$%d\r\n%s\r\n", len(w), w)
	}
	if _, err := conn.Write([]byte(text)); err != nil {
		return "", err
	}
	line, err := in.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	switch kind, rest := line[:min(1, len(line))], line[min(1, len(line)):]; kind {
	case "+":
		return rest, nil
	case "$":
		n, err := strconv.Atoi(rest)
		if err != nil || n < 0 {
			return "", err // -1 is a key that is not there
		}
		bulk := make([]byte, n+2)
		_, err = io.ReadFull(in, bulk)
		return strings.TrimRight(string(bulk), "\r\n"), err
	}
	return "", fmt.Errorf("redis: %s", line)
}
