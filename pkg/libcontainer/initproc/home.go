package initproc

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxPasswd is how much of a container's passwd file is read, in bytes, and maxPasswdLine how long
// a line may be. The file is the image's: it may be endless.
const (
	maxPasswd     = 10 << 20
	maxPasswdLine = 64 << 10
)

// home fills HOME in when the environment has none or an empty one, as engines expect of a runtime:
// with what the container's passwd file says of the user, or "/". Only here, inside and as that
// user, is the file the one that the program will see.
func (in *initializer) home() {
	p := &in.Process
	for i, pair := range p.Env {
		if value, ok := strings.CutPrefix(pair, "HOME="); ok {
			if value == "" {
				p.Env[i] = "HOME=" + homeOf(p.UID, "/etc/passwd")
			}
			return
		}
	}
	p.Env = append(p.Env, "HOME="+homeOf(p.UID, "/etc/passwd"))
}

// homeOf is the home of a user in a passwd file; "/" without an entry or a file that can be read.
func homeOf(uid uint32, path string) string {
	// Whatever the name leads to must not hold us up.
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "/"
	}
	file := os.NewFile(uintptr(fd), path)
	defer func() { _ = file.Close() }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return "/"
	}
	lines := bufio.NewScanner(io.LimitReader(file, maxPasswd))
	lines.Buffer(nil, maxPasswdLine)
	for lines.Scan() {
		// name:password:uid:gid:comment:home:shell. Source: passwd(5).
		fields := strings.SplitN(lines.Text(), ":", 7)
		if len(fields) < 6 || strings.ContainsRune(fields[5], 0) {
			continue
		}
		if n, err := strconv.ParseUint(fields[2], 10, 32); err == nil && uint32(n) == uid {
			if fields[5] == "" {
				return "/"
			}
			return fields[5]
		}
	}
	return "/"
}
