package server

import (
	"errors"
	"runtime/debug"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/monitor"
)

const (
	// maxBehind is how many bytes of output a client may have unread before it is dropped. A client
	// that reads at all keeps well below; more would be the monitor's memory.
	maxBehind = 1 << 20
	// maxBehindAll is that for all clients together: so many sleepers do not add up.
	maxBehindAll = 4 << 20
	// pauseBehind is when a lossless client holds the container back.
	pauseBehind = 128 << 10
	// packetCost is added per queued packet, for the memory it takes beside its bytes.
	packetCost = 64
)

// client is one connection. All its methods run in the loop.
type client struct {
	m       *server
	fd      int
	owner   bool
	flags   monitor.AttachFlags
	streams bool // attached
	waits   bool
	told    bool // got KindExit
	sized   bool // has sent its terminal's size
	// hadStdin says that this client has sent standard input.
	hadStdin bool
	// stdinFull stops reading from the client until standard input has room again.
	stdinFull bool
	queue     [][]byte
	behind    int
	gone      bool
}

// send sends a packet, or queues it when the client does not read. packet[0] is the kind.
// The packet is copied if it must be kept.
func (c *client) send(packet []byte) {
	if c.gone {
		return
	}
	if len(c.queue) == 0 {
		err := c.trySend(packet)
		if err == nil {
			return
		}
		if !errors.Is(err, unix.EAGAIN) {
			c.m.drop(c)
			return
		}
	}
	c.enqueue(packet)
	c.watch()
	if c.streams && c.flags&monitor.AttachLossless == 0 && (c.behind > maxBehind || c.m.behind() > maxBehindAll) {
		c.overrun()
	}
}

// behind is what all clients have unread.
func (s *server) behind() int {
	n := 0
	for _, c := range s.clients {
		n += c.behind
	}
	return n
}

// enqueue appends a packet, joined to the last one if both are output of one stream.
func (c *client) enqueue(packet []byte) {
	if n := len(c.queue); n > 0 && isOutput(packet[0]) && c.queue[n-1][0] == packet[0] &&
		len(c.queue[n-1])+len(packet)-1 <= monitor.MaxPacket {
		c.queue[n-1] = append(c.queue[n-1], packet[1:]...)
		c.behind += len(packet) - 1
		return
	}
	c.m.queued = true
	c.queue = append(c.queue, append([]byte(nil), packet...))
	c.behind += len(packet) + packetCost
}

func isOutput(k byte) bool {
	return monitor.Kind(k) == monitor.KindStdout || monitor.Kind(k) == monitor.KindStderr
}

// overrun drops the output of a client that fell too far behind; it is told so, and stays
// connected for what else it waits.
func (c *client) overrun() {
	kept := c.queue[:0]
	c.behind = 0
	for _, p := range c.queue {
		if !isOutput(p[0]) {
			kept = append(kept, p)
			c.behind += len(p) + packetCost
		}
	}
	c.queue = slices.Clone(kept)
	c.streams = false
	// At once: the next sleeper may come before the collector does by itself.
	debug.FreeOSMemory()
	c.enqueue([]byte{byte(monitor.KindDropped)})
}

func (c *client) trySend(packet []byte) error {
	for {
		err := unix.Send(c.fd, packet, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return err
		}
	}
}

func (c *client) flush() {
	for len(c.queue) > 0 {
		err := c.trySend(c.queue[0])
		if errors.Is(err, unix.EAGAIN) {
			break
		}
		if err != nil {
			c.m.drop(c)
			return
		}
		c.behind -= len(c.queue[0]) + packetCost
		c.queue[0] = nil
		c.queue = c.queue[1:]
	}
	if len(c.queue) == 0 {
		c.queue, c.behind = nil, 0
	}
	c.watch()
	c.m.unpause()
	c.m.flushed()
}

func (c *client) watch() {
	if c.gone {
		return
	}
	var ev uint32
	if !c.stdinFull {
		ev |= unix.EPOLLIN
	}
	if len(c.queue) > 0 {
		ev |= unix.EPOLLOUT
	}
	c.m.loop.watch(c.fd, ev)
}

// onEvent is the loop's handler.
func (c *client) onEvent(ev uint32) {
	if ev&unix.EPOLLOUT != 0 {
		c.flush()
	}
	if c.gone {
		return
	}
	if ev&(unix.EPOLLIN|unix.EPOLLERR|unix.EPOLLHUP|unix.EPOLLRDHUP) != 0 {
		c.receive()
	}
}

// receive reads one packet; the loop comes back while there are more.
func (c *client) receive() {
	buf := c.m.buf.get()
	n, _, flags, _, err := unix.Recvmsg(c.fd, buf[:monitor.MaxPacket], nil, unix.MSG_DONTWAIT)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return
	}
	if err != nil || n == 0 || flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		c.m.drop(c)
		return
	}
	msg, err := monitor.Decode(buf[:n])
	if err != nil || !c.m.handle(c, msg) {
		c.m.drop(c)
	}
}
