package launch

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// StepSize is the size in bytes of the fixed part of a MsgStep: the kind of the message padded to four bytes,
// then the errno. An account follows.
const StepSize = 8

// Account is what an image tells of a call of its that failed, but for the errno: a Failure that is known before.
type Account struct {
	// Stage, Path and Detail are the failure's.
	Stage, Path, Detail string
	// Details are texts for errnos of which there is more to say.
	Details map[syscall.Errno]string
}

// Encode is the account as it follows in a message: stage, path and detail, then the texts with their errnos in front,
// a NUL between each. A NUL in a path cuts the account short.
func (a *Account) Encode() string {
	parts := []string{a.Stage, a.Path, a.Detail}
	for errno, text := range a.Details {
		parts = append(parts, strconv.Itoa(int(errno))+"="+text)
	}
	slices.Sort(parts[3:])
	return strings.Join(parts, "\x00")
}

// DecodeStep reads a MsgStep, whoever may have sent it.
func DecodeStep(msg []byte) *Failure {
	f := &Failure{Stage: "init", Detail: "unreadable failure message"}
	if len(msg) < StepSize {
		return f
	}
	errno := syscall.Errno(binary.NativeEndian.Uint32(msg[4:]))
	parts := strings.Split(string(msg[StepSize:]), "\x00")
	if len(parts) < 3 || parts[0] == "" {
		return f
	}
	*f = Failure{Stage: parts[0], Path: parts[1], Errno: errno, Detail: parts[2]}
	for _, p := range parts[3:] {
		if text, ok := strings.CutPrefix(p, strconv.Itoa(int(errno))+"="); ok {
			f.Detail = text
		}
	}
	return f
}
