package monitor

import (
	"errors"
	"io"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRecvAfterReset: what the other side said last is read also when it closed without having read everything.
func TestRecvAfterReset(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	c, err := newConn(pair[0])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.close() }()
	if err := c.send(KindStdinEOF, nil); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"first", "last"} {
		if _, err := unix.Write(pair[1], append([]byte{byte(KindExit)}, text...)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Close(pair[1]); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, MaxPacket)
	for _, want := range []string{"first", "last"} {
		if k, p, err := c.recv(buf); err != nil || k != KindExit || string(p) != want {
			t.Fatalf("%v %q, %v; want %q", k, p, err, want)
		}
	}
	for range 2 {
		if _, _, err := c.recv(buf); !errors.Is(err, io.EOF) {
			t.Errorf("%v at the end", err)
		}
	}
}
