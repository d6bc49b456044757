package server

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/monitor"
)

const journalTestID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// journalSocket is a socket as the journal has one.
type journalSocket struct {
	t    *testing.T
	fd   int
	path string
	// files counts the entries that came as files.
	files int
}

func newJournalSocket(t *testing.T) *journalSocket {
	t.Helper()
	s := &journalSocket{t: t, path: filepath.Join(t.TempDir(), "socket")}
	var err error
	if s.fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err == nil {
		err = unix.Bind(s.fd, &unix.SockaddrUnix{Name: s.path})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(s.fd) })
	return s
}

// entry reads one entry, nil if there is none for a while.
func (s *journalSocket) entry(patience time.Duration) map[string]string {
	s.t.Helper()
	buf, oob := make([]byte, 256<<10), make([]byte, 128)
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}, int(patience.Milliseconds())); n <= 0 || err != nil {
		return nil
	}
	n, oobn, _, _, err := unix.Recvmsg(s.fd, buf, oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		s.t.Fatal(err)
	}
	text := buf[:n]
	if oobn > 0 {
		s.files++
		text = s.file(oob[:oobn])
	}
	return fields(s.t, text)
}

// file reads an entry that was too long for a datagram; the journal takes only sealed ones.
func (s *journalSocket) file(oob []byte) []byte {
	s.t.Helper()
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(messages) != 1 {
		s.t.Fatal(err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		s.t.Fatal(err)
	}
	f := os.NewFile(uintptr(fds[0]), "entry")
	defer func() { _ = f.Close() }()
	seals, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0)
	if want := unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL; err != nil || seals != want {
		s.t.Errorf("seals %x, %v", seals, err)
	}
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<20))
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// fields reads an entry. Source: systemd, "Native Journal Protocol".
func fields(t *testing.T, text []byte) map[string]string {
	t.Helper()
	m := map[string]string{}
	for len(text) > 0 {
		line, rest, ok := bytes.Cut(text, []byte{'\n'})
		if !ok {
			t.Fatalf("no newline behind %q", line)
		}
		name, value, plain := strings.Cut(string(line), "=")
		if !plain {
			n := binary.LittleEndian.Uint64(rest)
			value, rest = string(rest[8:8+n]), rest[8+n:]
			if rest[0] != '\n' {
				t.Fatalf("no newline behind the value of %s", name)
			}
			rest = rest[1:]
		}
		if _, twice := m[name]; twice {
			t.Errorf("%s twice", name)
		}
		m[name], text = value, rest
	}
	return m
}

func journalFixture(t *testing.T, path string, args ...string) *fixture {
	f := newFixture(t, args...)
	f.opts.Config.ID = journalTestID
	f.opts.Config.Log = monitor.LogConfig{Driver: monitor.LogJournald, Path: path, Name: "web"}
	return f
}

func TestJournalFields(t *testing.T) {
	socket := newJournalSocket(t)
	f := journalFixture(t, socket.path, "sh", "-c", `printf 'one\n'; printf 'bad\000 \377\n' >&2; printf 'rest'`)
	f.opts.Config.Log.Tag, f.opts.Config.Log.Labels = "the tag", []string{"COLOUR=dark=blue"}
	f.wait(f.start())
	common := map[string]string{
		"CONTAINER_ID": journalTestID[:12], "CONTAINER_ID_FULL": journalTestID, "CONTAINER_NAME": "web",
		"CONTAINER_TAG": "the tag", "SYSLOG_IDENTIFIER": "the tag", "COLOUR": "dark=blue",
	}
	want := map[string]string{"one": "6", "bad\x00 \xff": "3", "rest": "6 partial"}
	for range 3 {
		e := socket.entry(10 * time.Second)
		priority := e["PRIORITY"]
		if e["CONTAINER_PARTIAL_MESSAGE"] == "true" {
			priority += " partial"
		}
		if want[e["MESSAGE"]] != priority {
			t.Errorf("%q has priority %s", e["MESSAGE"], priority)
		}
		delete(want, e["MESSAGE"])
		for name, value := range common {
			if e[name] != value {
				t.Errorf("%s is %q, not %q", name, e[name], value)
			}
		}
	}
	if e := socket.entry(0); e != nil {
		t.Errorf("one more: %v", e)
	}
}

func TestJournalWithoutTag(t *testing.T) {
	socket := newJournalSocket(t)
	f := journalFixture(t, socket.path, "echo", "x")
	f.wait(f.start())
	e := socket.entry(10 * time.Second)
	if _, tagged := e["CONTAINER_TAG"]; tagged || e["SYSLOG_IDENTIFIER"] != "web" {
		t.Errorf("%v", e)
	}
}

// TestJournalLongEntries has entries that no datagram of the socket holds.
func TestJournalLongEntries(t *testing.T) {
	socket := newJournalSocket(t)
	b, err := newBuffer()
	if err != nil {
		t.Fatal(err)
	}
	c := monitor.Config{ID: journalTestID, Log: monitor.LogConfig{Path: socket.path}}
	j, err := openJournal(&c, b, func(int, string) {})
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	if err := unix.SetsockoptInt(j.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 1); err != nil { // the kernel's least
		t.Fatal(err)
	}
	text := strings.Repeat("long ", maxLine/5)
	j.begin()
	j.emit(monitor.KindStdout, time.Now(), []byte(text), nil, true)
	if e := socket.entry(10 * time.Second); e["MESSAGE"] != text || e["CONTAINER_ID_FULL"] != journalTestID || socket.files != 1 {
		t.Errorf("%d bytes, %d files", len(e["MESSAGE"]), socket.files)
	}
}

// TestJournalStandsStill has a journal that does not read. The container waits a little once, not for each
// line; what is lost then is counted.
func TestJournalStandsStill(t *testing.T) {
	socket := newJournalSocket(t)
	f := journalFixture(t, socket.path, "sh", "-c", "seq 20000; read x; echo after")
	events := f.keepEvents()
	f.opts.Config.Stdin = true
	s := f.ready()
	var out output
	in, typed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = in.Close(), typed.Close() }()
	a, err := s.Attach(f.ctx(), monitor.AttachOptions{Stdin: in, Stdout: &out, Lossless: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Start(f.ctx()); err != nil {
		t.Fatal(err)
	}
	f.eventually("the container stands still", func() bool { return strings.HasSuffix(out.String(), "\n20000\n") })
	got := 0
	for e := socket.entry(0); e != nil; e = socket.entry(0) {
		if got++; e["MESSAGE"] != fmt.Sprint(got) {
			t.Fatalf("entry %d is %q", got, e["MESSAGE"])
		}
	}
	if got == 0 || got == 20000 {
		t.Fatalf("%d entries", got)
	}
	if _, err := typed.WriteString("go on\n"); err != nil {
		t.Fatal(err)
	}
	if e := socket.entry(10 * time.Second); e["MESSAGE"] != "after" {
		t.Errorf("then %v", e)
	}
	e := socket.entry(10 * time.Second)
	if _, full := e["CONTAINER_ID_FULL"]; full || !strings.HasSuffix(e["MESSAGE"], fmt.Sprintf(": %d", 20000-got)) || e["CONTAINER_ID"] != journalTestID[:12] {
		t.Errorf("the count: %v, of %d", e, 20000-got)
	}
	lost := 0
	for n := got + 1; n <= 20000; n++ {
		lost += len(fmt.Sprintln(n))
	}
	if res, err := a.Wait(f.ctx()); err != nil || res.Exit.LogLoss == nil || int(res.Exit.LogLoss.Bytes) != lost || res.Exit.LogLoss.Error != errNoRoom.Error() {
		t.Errorf("%+v, %v, want %d bytes lost", res.Exit, err, lost)
	}
	if got := lossEvents(t, events); len(got) != 1 {
		t.Errorf("events %q", got)
	}
}

// TestJournalStops has a journal that goes away, and comes back: what it has not got is counted, and the container goes on.
func TestJournalStops(t *testing.T) {
	socket := newJournalSocket(t)
	f := journalFixture(t, socket.path, "sh", "-c", "echo before; read x; seq 100; read x; echo after")
	f.opts.Config.Stdin = true
	s := f.ready()
	var out output
	in, typed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = in.Close(), typed.Close() }()
	a, err := s.Attach(f.ctx(), monitor.AttachOptions{Stdin: in, Stdout: &out, Lossless: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Start(f.ctx()); err != nil {
		t.Fatal(err)
	}
	if e := socket.entry(10 * time.Second); e["MESSAGE"] != "before" {
		t.Errorf("first %v", e)
	}
	_ = unix.Close(socket.fd)
	if err := os.Remove(socket.path); err != nil {
		t.Fatal(err)
	}
	_, _ = typed.WriteString("go on\n")
	f.eventually("the container stands still", func() bool { return strings.HasSuffix(out.String(), "\n100\n") })
	again := newJournalSocket(t)
	if err := os.Rename(again.path, socket.path); err != nil {
		t.Fatal(err)
	}
	socket.fd = again.fd
	_, _ = typed.WriteString("go on\n")
	if e := socket.entry(10 * time.Second); e["MESSAGE"] != "after" {
		t.Errorf("then %v", e)
	}
	res, err := a.Wait(f.ctx())
	if err != nil || res.Exit.LogLoss == nil || res.Exit.LogLoss.Bytes != 292 || !strings.HasPrefix(res.Exit.LogLoss.Error, "the journal does not answer: ") {
		t.Errorf("%+v, %v", res.Exit, err)
	}
}

// TestJournalStartsAnew has a journal whose socket is made again meanwhile.
func TestJournalStartsAnew(t *testing.T) {
	socket := newJournalSocket(t)
	b, err := newBuffer()
	if err != nil {
		t.Fatal(err)
	}
	j, err := openJournal(&monitor.Config{ID: journalTestID, Log: monitor.LogConfig{Path: socket.path}}, b, func(int, string) {})
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	again := newJournalSocket(t)
	if err := os.Rename(again.path, socket.path); err != nil {
		t.Fatal(err)
	}
	_ = unix.Shutdown(socket.fd, unix.SHUT_RDWR)
	j.begin()
	j.emit(monitor.KindStdout, time.Now(), []byte("x"), nil, true)
	if e := again.entry(10 * time.Second); e["MESSAGE"] != "x" {
		t.Errorf("%v, lost %d", e, j.lost)
	}
}

func TestJournalThatIsNotThere(t *testing.T) {
	f := journalFixture(t, filepath.Join(t.TempDir(), "none"), "true")
	s := f.spawn()
	_, err := s.Start(f.ctx())
	var fail *launch.Failure
	if !errors.As(err, &fail) || fail.Stage != "log" || fail.ExitCode() != 125 || fail.Errno != unix.ENOENT {
		t.Errorf("%v", err)
	}
	s.Release()
	f.eventuallyDead()
}
