package userspace

import (
	"context"
	"encoding/binary"
	"net"
	"os"

	"github.com/containers/gvisor-tap-vsock/pkg/types"
	"github.com/containers/gvisor-tap-vsock/pkg/virtualnetwork"
)

// mtu is the interface's: the most that fits, since no packet leaves the machine as it is.
const mtu = 65520

// startStack makes the container's interface and carries its packets.
func (h *helper) startStack() error {
	a := h.order.Addresses
	tap, err := h.ns.makeTap(a.Container, a.Gateway, mtu)
	if err != nil {
		return err
	}
	vn, err := virtualnetwork.New(&types.Configuration{
		MTU: mtu, Subnet: a.Container.Masked().String(), GatewayIP: a.Gateway.String(),
		// Locally administered, and the same each time; rootlesskit's driver has the same.
		GatewayMacAddress: "5a:94:ef:e4:0c:dd", DHCPStaticLeases: map[string]string{}, Ec2MetadataAccess: true,
	})
	if err != nil {
		return err
	}
	go func() { _ = vn.AcceptVfkit(context.Background(), frames{tap}) }()
	return nil
}

// frames is the tap device as the stack wants it: each read and each write is a frame.
type frames struct{ *os.File }

// Read leaves out frames to "this network" and to loopback addresses: the stack connects to where a packet goes, and these
// would be the host's own. Only a container that may write raw packets can send them. Source: RFC 1122, 3.2.1.3.
func (f frames) Read(b []byte) (int, error) {
	const ethernet, ipv4, destination = 14, 0x0800, 16
	for {
		n, err := f.File.Read(b)
		if err == nil && n >= ethernet+20 && binary.BigEndian.Uint16(b[12:]) == ipv4 {
			if first := b[ethernet+destination]; first == 0 || first == 127 {
				continue
			}
		}
		return n, err
	}
}

func (frames) LocalAddr() net.Addr  { return &net.UnixAddr{Name: tapName} }
func (frames) RemoteAddr() net.Addr { return &net.UnixAddr{Name: tapName} }
