// Package libcontainer is the embedded runtime: containers over a state directory, after the
// OCI runtime specification.
//
//	compile   configuration -> plan: everything that needs thought, with errors a person can read
//	plan      the list of what has to happen in the child
//	launch    starts the child and talks with it until it is the user's program
//	initproc  carries the plan out inside the container
//	seccomp   profile -> filter
//
// Source: OCI runtime-spec 1.3, runtime.md.
package libcontainer
