package state

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"syscall"

	"modernc.org/sqlite"

	"github.com/manager-project/manager/pkg/reserve"
)

// reserveSize is the disk space in bytes that is kept for the day when there is none. A
// transaction writes some ten KB into the log; the rest is for the store's own files of a
// removal.
const reserveSize = 1 << 20

func (s *Store) reservePath() string { return filepath.Join(filepath.Dir(s.path), "reserve") }

// SpendReserve gives the reserve to the disk, and reports whether there was one. It is for
// what ends or removes something: such work makes room, or ends what takes it.
func (s *Store) SpendReserve() bool { return reserve.Spend(s.reservePath()) }

// end is update for what ends or removes something: a full disk does not stop it as long as there is the
// reserve, which another process may have spent a moment ago, or the log can be written from its start again.
// f may run three times.
func (s *Store) end(ctx context.Context, d Durability, f func(*sql.Tx) error) error {
	err := s.update(ctx, d, f)
	if isFull(err) {
		s.SpendReserve()
		err = s.update(ctx, d, f)
	}
	if isFull(err) {
		s.rewind(ctx)
		err = s.update(ctx, d, f)
	}
	return err
}

// rewind brings what the log has into the file: the next writer then writes over it and need not make it longer,
// unless somebody reads. Source: sqlite.org/wal.html, section 2.
func (s *Store) rewind(ctx context.Context) {
	_, _ = s.db.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)")
}

// isFull says that SQLite had no room. It reports files that cannot grow as I/O errors too.
// Source: sqlite.org/rescode.html, SQLITE_FULL and SQLITE_IOERR.
func isFull(err error) bool {
	const full, ioError = 13, 10
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()&0xff == full || e.Code()&0xff == ioError
	}
	return reserve.Full(err)
}

// noSpace is a full disk in the kernel's words.
type noSpace struct{ cause error }

func (noSpace) Error() string   { return syscall.ENOSPC.Error() }
func (n noSpace) Unwrap() error { return n.cause }

// Is makes it what a full disk is elsewhere.
func (noSpace) Is(target error) bool { return target == syscall.ENOSPC }
