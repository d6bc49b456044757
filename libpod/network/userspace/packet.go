package userspace

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Sizes of headers in bytes, and the types of what a frame carries. Source: IEEE 802.3; RFC 791, 8200, 792.
const (
	ethernetHeader = 14
	ip4Header      = 20
	ip6Header      = 40
	icmpHeader     = 8

	carriesIP4 = 0x0800
	carriesIP6 = 0x86dd
)

// packet is a packet of the container's in its frame. The slices are parts of the frame.
type packet struct {
	ethernet, header, body []byte
	from, to               netip.Addr
	// protocol is that of the body, extensions of IPv6 included. fragment says that the packet is a part of one.
	protocol byte
	fragment bool
}

// parsePacket reads a frame; ok is false for one of another protocol, or one that is cut off.
func parsePacket(frame []byte) (p packet, ok bool) {
	if len(frame) < ethernetHeader {
		return p, false
	}
	p.ethernet = frame[:ethernetHeader]
	b := frame[ethernetHeader:]
	switch binary.BigEndian.Uint16(frame[12:]) {
	case carriesIP4:
		if len(b) < ip4Header {
			return p, false
		}
		size, total := int(b[0]&0xf)*4, int(binary.BigEndian.Uint16(b[2:]))
		if size < ip4Header || total < size || total > len(b) {
			return p, false
		}
		p.header, p.body, p.protocol = b[:size], b[size:total], b[9]
		p.fragment = binary.BigEndian.Uint16(b[6:])&0x3fff != 0
		p.from, p.to = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
	case carriesIP6:
		if len(b) < ip6Header {
			return p, false
		}
		total := ip6Header + int(binary.BigEndian.Uint16(b[4:]))
		if total > len(b) {
			return p, false
		}
		p.header, p.body, p.protocol = b[:ip6Header], b[ip6Header:total], b[6]
		p.from, p.to = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
	default:
		return p, false
	}
	return p, true
}

// isEcho says that it is a ping.
func (p *packet) isEcho() bool {
	if len(p.body) < icmpHeader || p.fragment {
		return false
	}
	return p.to.Is4() && p.protocol == unix.IPPROTO_ICMP && p.body[0] == 8 ||
		p.to.Is6() && p.protocol == unix.IPPROTO_ICMPV6 && p.body[0] == 128
}

// copyHeaders is the packet without its body, in memory of its own.
func (p *packet) copyHeaders() packet {
	q := *p
	q.ethernet, q.header, q.body = append([]byte(nil), p.ethernet...), append([]byte(nil), p.header...), nil
	return q
}

// replyTTL is how far a reply may still go.
const replyTTL = 64

// reply is a frame to the packet's sender from where it went, with a message of ICMP whose checksum is still to be made.
func (p *packet) reply(message []byte) []byte {
	frame := make([]byte, 0, ethernetHeader+ip6Header+len(message))
	frame = append(frame, p.ethernet[6:12]...)
	frame = append(frame, p.ethernet[:6]...)
	frame = append(frame, p.ethernet[12:]...)
	message[2], message[3] = 0, 0
	from, to := p.to.AsSlice(), p.from.AsSlice()
	if p.to.Is4() {
		binary.BigEndian.PutUint16(message[2:], checksum(message))
		h := make([]byte, ip4Header)
		h[0], h[6], h[8], h[9] = 0x45, 0x40, replyTTL, unix.IPPROTO_ICMP // version and words of the header; do not fragment
		binary.BigEndian.PutUint16(h[2:], uint16(ip4Header+len(message)))
		copy(h[12:], from)
		copy(h[16:], to)
		binary.BigEndian.PutUint16(h[10:], checksum(h))
		return append(append(frame, h...), message...)
	}
	pseudo := binary.BigEndian.AppendUint32(append(append([]byte(nil), from...), to...), uint32(len(message)))
	binary.BigEndian.PutUint16(message[2:], checksum(append(pseudo, 0, 0, 0, unix.IPPROTO_ICMPV6), message))
	h := make([]byte, ip6Header)
	h[0], h[6], h[7] = 0x60, unix.IPPROTO_ICMPV6, replyTTL
	binary.BigEndian.PutUint16(h[4:], uint16(len(message)))
	copy(h[8:], from)
	copy(h[24:], to)
	return append(append(frame, h...), message...)
}

// checksum is the internet's; all parts but the last have an even length. Source: RFC 1071.
func checksum(parts ...[]byte) uint16 {
	var sum uint32
	for _, b := range parts {
		for ; len(b) > 1; b = b[2:] {
			sum += uint32(binary.BigEndian.Uint16(b))
		}
		if len(b) == 1 {
			sum += uint32(b[0]) << 8
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
