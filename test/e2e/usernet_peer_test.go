package e2e

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

// peerVariable in the environment makes this program a server in a container instead of testing: "tcp:80 udp:81 …", each port
// answering with the address of who speaks to it. "dial:HOST:PORT" and "dialudp:…" say what a server answers; "eof" ends the server with
// its standard input.
const peerVariable = "MANAGER_TEST_PEER"

// bePeer is the main of such a server. It returns for "dial" and "eof", and when it fails.
func bePeer(words string) error {
	failed := make(chan error)
	for _, word := range strings.Fields(words) {
		kind, rest, _ := strings.Cut(word, ":")
		if kind == "dial" || kind == "dialudp" {
			answer, err := soonSeenAs(map[string]string{"dial": "tcp", "dialudp": "udp"}[kind], "", rest)
			fmt.Println(answer)
			return err
		}
		if kind == "eof" {
			go func() {
				_, err := io.Copy(io.Discard, os.Stdin)
				failed <- err
			}()
			continue
		}
		go func() { failed <- answerOn(kind, ":"+rest) }()
	}
	return <-failed
}

func answerOn(kind, addr string) error {
	if strings.HasPrefix(kind, "udp") {
		c, err := net.ListenPacket(kind, addr)
		if err != nil {
			return err
		}
		for buf := make([]byte, 100); ; {
			_, from, err := c.ReadFrom(buf)
			if err != nil {
				return err
			}
			if _, err := c.WriteTo([]byte(from.String()), from); err != nil {
				return err
			}
		}
	}
	l, err := net.Listen(kind, addr)
	if err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		_, _ = io.WriteString(c, c.RemoteAddr().String())
		_ = c.Close()
	}
}

// seenAs says hello to a peer from an address of this host, "" being any, and returns which address it has seen.
func seenAs(kind, from, to string) (string, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	if from != "" {
		ip := net.ParseIP(from)
		d.LocalAddr = &net.TCPAddr{IP: ip}
		if kind == "udp" {
			d.LocalAddr = &net.UDPAddr{IP: ip}
		}
	}
	c, err := d.Dial(kind, to)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	var raw []byte
	if kind == "udp" {
		// A datagram may be lost, and the server may not be there yet.
		_ = c.SetDeadline(time.Now().Add(time.Second))
		buf := make([]byte, 100)
		var n int
		if _, err = c.Write([]byte("hello")); err == nil {
			n, err = c.Read(buf)
		}
		raw = buf[:n]
	} else {
		raw, err = io.ReadAll(c)
		if err == nil && len(raw) == 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	if err != nil {
		return "", err
	}
	host, _, err := net.SplitHostPort(string(raw))
	return host, err
}

// soonSeenAs is seenAs until it succeeds: a published port is open before the program behind it listens.
func soonSeenAs(kind, from, to string) (string, error) {
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		seen, err := seenAs(kind, from, to)
		if err == nil || time.Now().After(deadline) || os.IsPermission(err) {
			return seen, err
		}
	}
}
