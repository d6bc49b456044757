package criu

import (
	"encoding/binary"
	"errors"
)

// The wire types in use. Source: protobuf.dev, "Encoding".
const (
	wireVarint = 0
	wire64     = 1
	wireBytes  = 2
	wire32     = 5
)

// message is a protocol buffer under construction. Zero values are left out, as unset.
type message []byte

func (m *message) key(field int, kind int) {
	*m = binary.AppendUvarint(*m, uint64(field)<<3|uint64(kind))
}

func (m *message) number(field int, n int64) {
	m.key(field, wireVarint)
	*m = binary.AppendUvarint(*m, uint64(n))
}

func (m *message) flag(field int, on bool) {
	if on {
		m.number(field, 1)
	}
}

func (m *message) text(field int, s string) {
	if s != "" {
		m.bytes(field, []byte(s))
	}
}

// bytes adds a string, or another message.
func (m *message) bytes(field int, b []byte) {
	m.key(field, wireBytes)
	*m = binary.AppendUvarint(*m, uint64(len(b)))
	*m = append(*m, b...)
}

var errWire = errors.New("malformed message")

// fields calls f for each field of a message: n is the number of a number, b the content of a string
// or a message. Fields of fixed size are skipped: none is in use.
func fields(b []byte, f func(field int, n uint64, b []byte) error) error {
	for len(b) > 0 {
		key, used := binary.Uvarint(b)
		if used <= 0 || key>>3 == 0 || key>>3 > 1<<29-1 {
			return errWire
		}
		b = b[used:]
		var n uint64
		var content []byte
		switch key & 7 {
		case wireVarint:
			if n, used = binary.Uvarint(b); used <= 0 {
				return errWire
			}
			b = b[used:]
		case wireBytes:
			size, used := binary.Uvarint(b)
			if used <= 0 || size > uint64(len(b)-used) {
				return errWire
			}
			content, b = b[used:used+int(size)], b[used+int(size):]
		case wire64, wire32:
			size := 8
			if key&7 == wire32 {
				size = 4
			}
			if len(b) < size {
				return errWire
			}
			b = b[size:]
			continue
		default:
			return errWire
		}
		if err := f(int(key>>3), n, content); err != nil {
			return err
		}
	}
	return nil
}
