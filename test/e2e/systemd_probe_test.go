package e2e

import (
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"
)

// probeVariable makes this program, mounted into a container, one of a service's: "accept" serves the socket
// that it was handed, "notify" says that it is ready and gives signs of life until there is a file /tmp/hang.
const probeVariable = "MANAGER_TEST_PROBE"

func init() {
	var err error
	switch os.Getenv(probeVariable) {
	case "", strangerProbe:
		return
	case "accept":
		err = probeAccept()
	case "notify":
		err = probeNotify()
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func probeAccept() error {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) || os.Getenv("LISTEN_FDS") != "1" {
		return fmt.Errorf("handed %q sockets for process %q", os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_PID"))
	}
	l, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		_, _ = io.WriteString(c, "served by "+os.Getenv("LISTEN_FDNAMES"))
		_ = c.Close()
	}
}

func probeNotify() error {
	usec, err := strconv.Atoi(os.Getenv("WATCHDOG_USEC"))
	if err != nil {
		return err
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: os.Getenv("NOTIFY_SOCKET"), Net: "unixgram"})
	if err != nil {
		return err
	}
	if _, err := io.WriteString(conn, "READY=1\nSTATUS=at work"); err != nil {
		return err
	}
	for ; ; time.Sleep(time.Duration(usec) * time.Microsecond / 4) {
		if _, err := os.Stat("/tmp/hang"); err == nil {
			continue
		}
		if _, err := io.WriteString(conn, "WATCHDOG=1"); err != nil {
			return err
		}
	}
}
