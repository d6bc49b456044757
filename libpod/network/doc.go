// Package network connects a container's network namespace with the host's before the program runs, and publishes its
// ports.
//
// Words: the driver makes an interface in the namespace and carries its packets as a process without rights on the
// host: pasta, slirp4netns, or the network stack that manager carries inside (builtin). The port helper listens on
// the published ports of the host; it is a role of the full program (package userspace), together with the built-in
// stack in one process. Both outlive the command that starts them and end with the container:
//
//	Begin     record; make the namespace and pin it in the run directory; start driver and helper, each noted in the record
//	Connected while the init waits: there are interface, addresses and routes. A program that its starter stays with may begin
//	Finish    while the init waits: wait for the driver, give the helper its order, close the record
//	Teardown  end the processes of the record by pid and start time; unpin; remove the record
//
// pasta needs 20 ms of processor time to come up, which is as long as everything else of a start, so the other steps
// go on beside it, and half of the 20 ms come when the interface is there, where packets wait for it. A command that is killed in between leaves a record in which a process is still to come. Teardown then looks for
// processes whose command line names the run directory. So each network is taken down exactly once, whoever does it.
//
// It makes no bridges and knows no named networks.
package network
