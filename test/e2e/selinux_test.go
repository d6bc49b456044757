package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/testenv"
)

// TestSELinuxStreams: a confined command gets the caller's streams though it may not have files and pipes of his session,
// and a confined program reaches the socket of its monitor.
func TestSELinuxStreams(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.Enforcing)
	m := testenv.NewManager(t)
	m.Image(t, "busybox")
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	cmd := m.Command(t.Context(), "run", "-d", "--name", "c", "--network", "none", "busybox", "sh", "-c",
		`ln -s $NOTIFY_SOCKET /dev/log && logger "x
STATUS=fine" && exec sleep 1000`)
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	_ = socket.SetReadDeadline(time.Now().Add(waiting))
	for got := ""; got != "STATUS=fine"; {
		buf := make([]byte, 4096)
		n, err := socket.Read(buf)
		if err != nil {
			t.Fatalf("no message of the program: %v; %s", err, m.Run("logs", "c").Stderr)
		}
		got = string(buf[:n])
	}
	in, out := filepath.Join(t.TempDir(), "in"), filepath.Join(t.TempDir(), "out")
	text := strings.Repeat("0123456789abcde\n", 20000)
	if err := os.WriteFile(in, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd = m.Command(t.Context(), "exec", "-i", "c", "sh", "-c", "cat; echo err >&2; echo again >/dev/stdout")
	stdin, err := os.Open(in)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stdin.Close() }()
	stdout, err := os.OpenFile(out, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stdout.Close() }()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stdout
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	// Two streams, so err may come before the end of the text.
	if len(got) != len(text)+len("err\nagain\n") || strings.ReplaceAll(string(got), "err\n", "") != text+"again\n" {
		t.Errorf("%d bytes came, of %d", len(got), len(text))
	}
	m.MustRun(t, "rm", "-f", "-t", "0", "c")
}
