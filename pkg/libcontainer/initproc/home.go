package initproc

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer/passwd"
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
	return passwd.Home(file, uid)
}
