package image

import (
	"fmt"
	"strconv"
	"strings"
)

// normalPort checks an exposed port and adds "/tcp" when no protocol is named.
func normalPort(p string) (string, error) {
	ports, proto, ok := strings.Cut(p, "/")
	if !ok {
		proto = "tcp"
	}
	proto = strings.ToLower(proto)
	if proto != "tcp" && proto != "udp" && proto != "sctp" {
		return "", fmt.Errorf("protocol %q is not tcp, udp or sctp", printable(proto))
	}
	first, last, isRange := strings.Cut(ports, "-")
	if !isRange {
		last = first
	}
	lo, err1 := strconv.ParseUint(first, 10, 16)
	hi, err2 := strconv.ParseUint(last, 10, 16)
	if err1 != nil || err2 != nil || lo == 0 || hi < lo {
		return "", fmt.Errorf("port %q is not from 1 to 65535", printable(ports))
	}
	return ports + "/" + proto, nil
}
