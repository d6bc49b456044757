package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"syscall"

	"go.podman.io/storage"

	"github.com/manager-project/manager/pkg/errdefs"
)

// failure gives an error of the image library its class, one line and a remedy.
// op and name are in the user's terms; host is the registry concerned, or "".
func failure(op, name, host string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) && !isNetwork(err) {
		return &errdefs.Error{Op: op, Name: name, Cause: err}
	}
	var own *errdefs.Error
	if errors.As(err, &own) && own.Class != nil {
		return &errdefs.Error{Op: op, Name: name, Class: own.Class, Cause: oneLine(err), Hint: own.Hint}
	}
	if m := unmappedOwner().FindStringSubmatch(err.Error()); m != nil {
		return &errdefs.Error{
			Op: op, Name: name, Class: errdefs.ErrUnsupported, Hint: "as root give this user more subordinate ids (usermod --add-subuids, --add-subgids), then run \"manager system migrate\"",
			Cause: oneLine(fmt.Errorf("%s in the image belongs to %s (user:group), which is not among this user's ids; nothing was stored", m[2], m[1])),
		}
	}
	hint, class := classify(host, err)
	return &errdefs.Error{Op: op, Name: name, Class: class, Cause: oneLine(err), Hint: hint}
}

// unmappedOwner is what the storage library says of a file that belongs to an id that the user's namespace does not
// have. The layer was extracted by another process, so that there is nothing but the text.
var unmappedOwner = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`insufficient UIDs or GIDs available in user namespace \(requested (\d+:\d+) for ([^)]*)\)`)
})

// classifyStore reads the errors of the store and of the file system; the class is nil for
// any other error.
func classifyStore(err error) (hint string, class error) {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "free space in the image store or in $TMPDIR", errdefs.ErrUnavailable
	case errors.Is(err, storage.ErrDuplicateName), errors.Is(err, storage.ErrDuplicateID):
		return "choose another name", errdefs.ErrExists
	case errors.Is(err, storage.ErrImageUnknown):
		return "see the local images with 'manager images'", errdefs.ErrNotFound
	case errors.Is(err, fs.ErrNotExist):
		return "check the path's spelling", errdefs.ErrNotFound
	case errors.Is(err, fs.ErrPermission):
		return "check the permissions of the path", errdefs.ErrPermission
	}
	return "", nil
}

// isNetwork says that the other side did not answer, or stopped answering. net.Error is
// no test for that: a plain errno satisfies it too.
func isNetwork(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	var request *url.Error
	return errors.As(err, &op) || errors.As(err, &dns) || errors.As(err, &request) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EPIPE)
}

// oneLine keeps the chain and makes its text one line of bounded length.
func oneLine(err error) error { return lineError{err} }

type lineError struct{ error }

// Error is the text with line breaks and other control bytes made harmless.
func (e lineError) Error() string {
	const most = 600
	text := strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return ' '
		}
		return r
	}, e.error.Error())
	text = plainText(strings.Join(strings.Fields(text), " "))
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// Unwrap keeps errors.Is and errors.As working.
func (e lineError) Unwrap() error { return e.error }
