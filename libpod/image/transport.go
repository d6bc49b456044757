package image

import (
	"slices"
	"strings"
)

// offered are the transports that images may come from and go to.
var offered = []string{"docker", "oci", "oci-archive", "docker-archive", "dir"}

// known but not offered: they need a daemon, a cluster or a format of another program.
var otherTransports = []string{"docker-daemon", "atomic", "ostree", "sif", "tarball", "containers-storage"}

// splitTransport cuts "transport:rest". A name without a transport returns "".
func splitTransport(ref string) (transport, rest string) {
	name, rest, ok := strings.Cut(ref, ":")
	if ok && (slices.Contains(offered, name) || slices.Contains(otherTransports, name)) {
		return name, rest
	}
	return "", ref
}
