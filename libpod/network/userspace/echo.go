package userspace

import (
	"encoding/binary"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// echoIdle is how long answers of one ping are waited for after its last question.
const echoIdle = 30 * time.Second

// maxEchoes bounds the pings at a time: each takes a descriptor.
const maxEchoes = 256

// echoes carry ping: the stack would answer itself for whatever address. A question leaves by a socket of ICMP that the host may
// give to users (net.ipv4.ping_group_range); where it does not, the container is told that ping is prohibited.
// Source: RFC 792, RFC 4443; kernel ip-sysctl.rst.
type echoes struct {
	tap *os.File

	mu   sync.Mutex
	open map[echoKey]*os.File
}

// echoKey is one ping: where it goes, and the number by which its program knows it.
type echoKey struct {
	to netip.Addr
	id uint16
}

// ask sends a question on, and lets the answers come back.
func (e *echoes) ask(p packet) {
	key := echoKey{p.to, binary.BigEndian.Uint16(p.body[4:])}
	e.mu.Lock()
	defer e.mu.Unlock()
	f := e.open[key]
	if f == nil {
		if len(e.open) >= maxEchoes {
			return
		}
		var err error
		if f, err = echoSocket(p.to); err != nil {
			e.refuse(p)
			return
		}
		e.open[key] = f
		go e.answers(f, key, p.copyHeaders())
	}
	_ = f.SetReadDeadline(time.Now().Add(echoIdle))
	_, _ = f.Write(p.body) // the kernel puts in an id of its own, and the checksum
}

// echoSocket is a socket for the questions to one address.
func echoSocket(to netip.Addr) (*os.File, error) {
	family, protocol := unix.AF_INET, unix.IPPROTO_ICMP
	if to.Is6() {
		family, protocol = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return nil, err
	}
	if err := unix.Connect(fd, sockaddr(netip.AddrPortFrom(to, 0))); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "echo"), nil
}

// answers go to the container as if they came from where it asked, until there are none for a while.
func (e *echoes) answers(f *os.File, key echoKey, p packet) {
	buf := make([]byte, maxDatagram)
	for failures := 0; failures < 100; {
		n, err := f.Read(buf)
		if os.IsTimeout(err) {
			break
		}
		if err != nil || n < icmpHeader {
			failures++ // unreachable, say: a program waits, as it does for an answer that is lost
			continue
		}
		binary.BigEndian.PutUint16(buf[4:], key.id)
		_, _ = e.tap.Write(p.reply(buf[:n]))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.open, key)
	_ = f.Close()
}

// refuse says that communication is prohibited by the administrator: type 3 with code 13, and for IPv6 1 with 1.
func (e *echoes) refuse(p packet) {
	message := []byte{3, 13, 0, 0, 0, 0, 0, 0}
	if p.to.Is6() {
		message[0], message[1] = 1, 1
	}
	about := append(append([]byte(nil), p.header...), p.body...)
	if !p.to.Is6() {
		about = about[:len(p.header)+8]
	} else if len(about) > 1200 {
		about = about[:1200]
	}
	_, _ = e.tap.Write(p.reply(append(message, about...)))
}
