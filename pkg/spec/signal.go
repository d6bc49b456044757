package spec

import (
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
)

// The kernel's real-time signals as the C library counts them (it keeps 32 and 33).
const (
	sigRTMin = 34
	sigRTMax = 64
)

// ParseSignal reads a signal's number, or its name in any case with or without SIG
// (KILL, SIGKILL, RTMIN+3). option is named in an error, of class invalid.
func ParseSignal(option, word string) (syscall.Signal, error) {
	unknown := errdefs.Invalid(option, word, "unknown signal").WithHint("write a name as TERM, or a number from 1 to 64")
	if n, err := strconv.Atoi(word); err == nil {
		if n < 1 || n > sigRTMax {
			return 0, unknown
		}
		return syscall.Signal(n), nil
	}
	name := "SIG" + strings.TrimPrefix(strings.ToUpper(word), "SIG")
	if s := unix.SignalNum(name); s != 0 {
		return s, nil
	}
	if s, ok := realTimeSignal(name); ok {
		return s, nil
	}
	return 0, unknown
}

func realTimeSignal(name string) (syscall.Signal, bool) {
	for _, base := range []struct {
		prefix string
		number int
		sign   int
	}{{"SIGRTMIN", sigRTMin, 1}, {"SIGRTMAX", sigRTMax, -1}} {
		rest, ok := strings.CutPrefix(name, base.prefix)
		if !ok {
			continue
		}
		offset := 0
		if rest != "" {
			var err error
			offset, err = strconv.Atoi(rest)
			if err != nil || (rest[0] != '+' && rest[0] != '-') || offset*base.sign < 0 {
				return 0, false
			}
		}
		n := base.number + offset
		return syscall.Signal(n), n >= sigRTMin && n <= sigRTMax
	}
	return 0, false
}

// SignalName is a signal's name with SIG, or its number for one without a name.
func SignalName(sig syscall.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return name
	}
	switch {
	case sig == sigRTMin:
		return "SIGRTMIN"
	case sig > sigRTMin && sig <= sigRTMax:
		return "SIGRTMIN+" + strconv.Itoa(int(sig-sigRTMin))
	}
	return strconv.Itoa(int(sig))
}
