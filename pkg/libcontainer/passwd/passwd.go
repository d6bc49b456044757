// Package passwd reads a container's passwd file, which nobody vouches for.
package passwd

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxSize is how much of a passwd file is read, in bytes, and maxLine how long a line may be. The file is
// the image's: it may be endless.
const (
	maxSize = 10 << 20
	maxLine = 64 << 10
)

// Home is the home of a user in an opened passwd file; "/" without an entry, or if it is no regular file. The
// caller keeps ownership.
func Home(file *os.File, uid uint32) string {
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return "/"
	}
	lines := bufio.NewScanner(io.LimitReader(file, maxSize))
	lines.Buffer(nil, maxLine)
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
