package logs

import (
	"bytes"
	"io"
	"os"
)

const (
	block = 64 << 10
	// maxRecord bounds one record in bytes; ours are below 64 KiB. A longer one is passed over.
	maxRecord = 1 << 20
)

// records reads complete records of a file forwards. At the end of the file it can be asked again.
type records struct {
	f *os.File
	// buf[start:end] was read and not delivered.
	buf        []byte
	start, end int
	// skipping says that a record is too long and its newline was not found yet.
	skipping bool
}

func newRecords(f *os.File, offset int64) (*records, error) {
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return nil, err
	}
	return &records{f: f, buf: make([]byte, block)}, nil
}

// next returns a record without its newline, valid until the next call, or io.EOF when no complete
// one is left.
func (r *records) next() ([]byte, error) {
	scanned := 0
	for {
		if i := bytes.IndexByte(r.buf[r.start+scanned:r.end], '\n'); i >= 0 {
			rec := r.buf[r.start : r.start+scanned+i]
			r.start += scanned + i + 1
			scanned = 0
			if r.skipping {
				r.skipping = false
				continue
			}
			return rec, nil
		}
		scanned = r.end - r.start
		if scanned >= maxRecord {
			r.skipping = true
			r.start, r.end, scanned = 0, 0, 0
		}
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
}

func (r *records) fill() error {
	if r.start > 0 {
		copy(r.buf, r.buf[r.start:r.end])
		r.end -= r.start
		r.start = 0
	}
	if r.end == len(r.buf) {
		r.buf = append(r.buf, make([]byte, len(r.buf))...)
	}
	n, err := r.f.Read(r.buf[r.end:])
	r.end += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// backwards calls f for the complete records of a file from the last to the first, with the offset
// where each ends (after its newline), until f returns false. It reads no more than needed.
func backwards(f *os.File, fn func(record []byte, end int64) bool) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	pos := st.Size()
	var tail []byte // file content from pos on, up to the last newline not delivered
	torn := true    // what follows the last newline is no record
	for pos > 0 {
		n := min(pos, block)
		piece := make([]byte, int(n)+len(tail))
		if _, err := f.ReadAt(piece[:n], pos-n); err != nil {
			return err
		}
		copy(piece[n:], tail)
		pos -= n
		tail = piece
		for {
			i := bytes.LastIndexByte(tail[:max(len(tail)-1, 0)], '\n')
			if torn {
				i = bytes.LastIndexByte(tail, '\n')
			}
			if i < 0 {
				break
			}
			end := pos + int64(len(tail))
			record := tail[i+1:]
			tail = tail[:i+1]
			if torn {
				torn = false
				continue
			}
			if !fn(record[:len(record)-1], end) {
				return nil
			}
		}
		if len(tail) > maxRecord {
			// Too long to be a record: go on before it.
			if pos, err = skipBack(f, pos); err != nil {
				return err
			}
			tail, torn = nil, true
		}
	}
	if len(tail) > 0 && !torn {
		fn(tail[:len(tail)-1], int64(len(tail)))
	}
	return nil
}

// skipBack returns the offset after the last newline before pos.
func skipBack(f *os.File, pos int64) (int64, error) {
	buf := make([]byte, block)
	for pos > 0 {
		n := min(pos, block)
		if _, err := f.ReadAt(buf[:n], pos-n); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			return pos - n + int64(i) + 1, nil
		}
		pos -= n
	}
	return 0, nil
}
