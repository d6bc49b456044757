package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// strangerProbe is the value of probeVariable for a process of another user, who tries what he can with the files
// and the processes of a list: lines "file PATH" and "process PID" on standard input. It prints a line for each
// success, and at the end what it has tried.
const strangerProbe = "stranger"

func init() {
	if os.Getenv(probeVariable) != strangerProbe {
		return
	}
	s := stranger{tried: map[string]int{}}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		switch what, name, _ := strings.Cut(lines.Text(), " "); what {
		case "file":
			s.file(name)
		case "process":
			pid, err := strconv.Atoi(name)
			if err != nil {
				fmt.Println("no process:", name)
				os.Exit(1)
			}
			s.process(pid)
		}
	}
	s.abstract()
	fmt.Printf("tried %d files %d sockets %d processes\n", s.tried["file"], s.tried["socket"], s.tried["process"])
	os.Exit(0)
}

type stranger struct{ tried map[string]int }

// try reports what was not refused. That something went away, or had nothing to read,
// is no success.
func (s *stranger) try(what string, err error) {
	for _, refusal := range []error{unix.EACCES, unix.EPERM, unix.ENOENT, unix.ESRCH, unix.EISDIR, io.EOF} {
		if errors.Is(err, refusal) {
			return
		}
	}
	fmt.Printf("breach: %s: %v\n", what, err)
}

func (s *stranger) file(path string) {
	s.tried["file"]++
	var st unix.Stat_t
	s.try("looks at "+path, unix.Lstat(path, &st))
	for name, flags := range map[string]int{"reads ": unix.O_RDONLY, "writes ": unix.O_WRONLY} {
		fd, err := unix.Open(path, flags|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		s.try(name+path, err)
		if err == nil {
			s.try("locks "+path, unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB))
			_ = unix.Close(fd)
		}
	}
	s.try("changes "+path, unix.Chmod(path, 0o777))
	s.try("takes away "+path, unix.Rename(path, path+".stolen"))
	s.try("adds to "+path, unix.Mkdir(filepath.Join(path, "squat"), 0o777))
	if !strings.HasSuffix(path, ".sock") {
		return
	}
	s.tried["socket"]++
	if err := unix.Chdir(filepath.Dir(path)); err != nil { // a socket's whole path may be too long to connect to
		s.try("goes to the directory of "+path, err)
		return
	}
	for _, kind := range []int{unix.SOCK_STREAM, unix.SOCK_SEQPACKET, unix.SOCK_DGRAM} {
		fd, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err == nil {
			s.try("connects to "+path, unix.Connect(fd, &unix.SockaddrUnix{Name: filepath.Base(path)}))
			_ = unix.Close(fd)
		}
	}
}

func (s *stranger) process(pid int) {
	s.tried["process"]++
	who := fmt.Sprintf("process %d: ", pid)
	for _, name := range []string{"environ", "mem", "maps", "auxv", "io", "stack", "syscall", "fd", "map_files", "root/.", "cwd/."} {
		f, err := os.Open(fmt.Sprintf("/proc/%d/%s", pid, name))
		if err == nil {
			_, err = f.Read(make([]byte, 1)) // some are refused only then
			_ = f.Close()
		}
		s.try(who+"opens "+name, err)
	}
	for _, name := range []string{"exe", "cwd", "root", "ns/user", "ns/mnt"} {
		_, err := os.Readlink(fmt.Sprintf("/proc/%d/%s", pid, name))
		s.try(who+"follows "+name, err)
	}
	s.try(who+"traces it", syscall.PtraceAttach(pid))
	for _, sig := range []syscall.Signal{0, unix.SIGCONT} {
		s.try(who+"signals it", unix.Kill(pid, sig))
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer func() { _ = unix.Close(fd) }()
	s.try(who+"signals its descriptor", unix.PidfdSendSignal(fd, unix.SIGCONT, nil, 0))
	_, err = unix.PidfdGetfd(fd, 1, 0)
	s.try(who+"takes a descriptor", err)
	s.try(who+"joins its user namespace", unix.Setns(fd, unix.CLONE_NEWUSER))
	var limit unix.Rlimit
	s.try(who+"reads its limits", unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &limit))
}

// abstract looks for sockets without a file, to which everyone on the machine can connect.
func (s *stranger) abstract() {
	text, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		s.try("the list of sockets", err)
		return
	}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) == 8 && strings.HasPrefix(words[7], "@") && strings.Contains(words[7], "manager") {
			fmt.Println("breach: an abstract socket:", words[7])
		}
	}
}
