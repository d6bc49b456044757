package rootless

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"
)

// Range is a range of ids of the host that a user may map. Source: subuid(5).
type Range struct{ First, Size uint32 }

// maxSubidLine and maxSubidFile bound the files of subordinate ids, in bytes.
const (
	maxSubidLine = 4 << 10
	maxSubidFile = 16 << 20
)

// subids are the ranges of a user, by name or number, in a file such as /etc/subuid. Lines that are not of
// the form name:first:size are passed over, as shadow's programs do. Ranges that are empty or leave 32 bits
// are dropped.
func subids(file, name string, uid int) ([]Range, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return readSubids(f, name, uid)
}

func readSubids(r io.Reader, name string, uid int) ([]Range, error) {
	var list []Range
	s := bufio.NewScanner(io.LimitReader(r, maxSubidFile))
	s.Buffer(make([]byte, maxSubidLine), maxSubidLine)
	for s.Scan() {
		fields := strings.Split(s.Text(), ":")
		if len(fields) != 3 || fields[0] == "" || fields[0] != name && fields[0] != strconv.Itoa(uid) {
			continue
		}
		first, err1 := strconv.ParseUint(fields[1], 10, 32)
		size, err2 := strconv.ParseUint(fields[2], 10, 32)
		if err1 != nil || err2 != nil || size == 0 || first+size > 1<<32-1 {
			continue
		}
		list = append(list, Range{uint32(first), uint32(size)})
	}
	return list, s.Err()
}

// userName is the login name, or the number where there is none.
func userName(uid int) string {
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return strconv.Itoa(uid)
	}
	return u.Username
}

// mapping lists what newuidmap is told: the user's own id as 0, then the ranges from 1 on.
func mapping(own int, ranges []Range) []string {
	words := []string{"0", strconv.Itoa(own), "1"}
	next := uint64(1)
	for _, r := range ranges {
		words = append(words, strconv.FormatUint(next, 10), fmt.Sprint(r.First), fmt.Sprint(r.Size))
		next += uint64(r.Size)
	}
	return words
}

// Subids are the ranges of a user, by name or number, in /etc/subuid or /etc/subgid. The host need not know the
// user.
func Subids(file, name string) ([]Range, error) {
	uid := -1
	if u, err := user.Lookup(name); err == nil {
		uid, _ = strconv.Atoi(u.Uid)
	}
	return subids(file, name, uid)
}
