// Package userspace is the long-living half of a user's network: the helper process that listens on the ports of the
// host and, with the built-in driver, is the container's way out. It is linked into the full program only.
//
// Ports go by the port driver of rootlesskit: its parent listens on the host and copies, and asks a child in the
// container's network for a connected socket, over a socket of its own. The child here speaks that protocol and lets the
// connection come from the client's address. A reply to that address has to come back to the helper instead of leaving
// the container, which rootlesskit's child arranges with the programs ip and nft. Here two rules for each port do,
// made over netlink:
//
//	tcp from the published port     table 100: every address is local
//	udp from the published port     table 101: the addresses of present clients are local
//
// The second keeps apart what a program sends of its own accord from a port that it also serves, as peers of a VPN do.
//
// The built-in network is gvisor-tap-vsock, which rootlesskit's driver of that name is made of; the tap device is made
// over netlink too. The driver itself runs nsenter and ip, which a machine need not have.
package userspace
