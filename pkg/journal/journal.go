// Package journal sends records to the system's journal: each is fields, and one datagram, or a sealed file in memory
// when it is too long for one. Reading is another program's, journalctl.
//
// Source: systemd, "Native Journal Protocol".
package journal

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Socket is where the journal listens.
const Socket = "/run/systemd/journal/socket"

// AppendField appends a field whose value has no newline.
func AppendField(out []byte, name, value string) []byte {
	out = append(append(out, name...), '=')
	return append(append(out, value...), '\n')
}

// AppendBytes appends a field of the value's parts, which may be any bytes.
func AppendBytes(out []byte, name string, parts ...[]byte) []byte {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	out = binary.LittleEndian.AppendUint64(append(append(out, name...), '\n'), uint64(size))
	for _, p := range parts {
		out = append(out, p...)
	}
	return append(out, '\n')
}

// Dial connects a socket to the journal; the caller owns the descriptor, which does not block.
func Dial(path string) (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// Send sends one record. unix.EAGAIN says that the journal has no room now.
func Send(fd int, record []byte) error {
	for {
		err := unix.Send(fd, record, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		switch err {
		case unix.EINTR:
		case unix.EMSGSIZE, unix.ENOBUFS:
			return sendFile(fd, record)
		default:
			return err
		}
	}
}

// sendFile sends what is too long for a datagram as a sealed memory file.
func sendFile(to int, record []byte) error {
	fd, err := unix.MemfdCreate("journal-entry", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	n, err := unix.Write(fd, record)
	if err == nil && n != len(record) {
		err = unix.ENOSPC
	}
	if err != nil {
		return err
	}
	const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return err
	}
	for {
		_, err := unix.SendmsgN(to, nil, unix.UnixRights(fd), nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return err
		}
	}
}
