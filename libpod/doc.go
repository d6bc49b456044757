// Package libpod is the core of manager: everything between the command line and the
// kernel's door. It takes requests and returns results and warnings as data; it prints
// nothing and never exits.
//
// # A container's life
//
//	create    image, Config, row "creating", layer            create.go
//	          row "created"
//	start     run directory, mounts, users, files, spec,      start.go: steps()
//	          monitor and init; row "running"; then the
//	          init is let go and becomes the user's program
//	exit      the monitor writes the exit record; whoever     settle.go
//	          is left settles: the attached client, or
//	          "manager container cleanup" called by the
//	          monitor, or the next command
//	restart   by policy: row "restarting"; the monitor waits     restart.go
//	          and calls "manager container cleanup --restart"
//	remove    row "removing", layer, directories, row         remove.go
//
// Each file is one verb. Every change of several steps is written so that a kill between
// any two leaves a state that reconcile (settle.go) finishes or undoes: a row that says
// "creating", "removing" or "mounted" and whose lock is free.
//
// # Processes
//
//	manager            one command; parent of the monitor it starts and of its foreground execs
//	manager-monitor    one for each running container, in a session of its own; parent of init
//	manager-network    manager-full, for a user's network: its ports, and its packets unless pasta or
//	                   slirp4netns carry them; ends with init (libpod/network), and for the network that a
//	                   user's commands share (sharednet.go) with the last of them
//	init               manager-monitor until it executes the plan, then the user's program
//	manager cleanup    started by a monitor whose client has gone, once, after the exit; and by
//	                   one whose container is to be restarted, when the time has come
//
// What runs is a fact of the kernel: the monitor's lock on the run directory, and the
// init's pid with its start time. The stored status is what was last known.
//
// # Locks
//
// In this order, each held for a short time and never while a process is waited for that
// may take its time:
//
//  1. the container's lock file (libpod/lock); a container that depends on others is locked before them,
//     and containers depend only on older ones, so that two never cross
//  2. where SELinux is, labels.lock, while a new container is stored with a level that no other has
//  3. the image store's own locks (containers/storage)
//  4. the state file's transaction (libpod/state)
//
// Readers (ps, inspect, logs) take none of the first kind, or only if it is free.
package libpod
