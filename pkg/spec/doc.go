// Package spec turns what the user said into what the runtime does.
//
// Three documents, different in kind:
//
//	Request   what the user said, kept verbatim: one field per option
//	Config    what was decided once, at create, and never changes
//	OCI spec  derived from Config at each start, and disposable
//
// Decide makes a Config of a Request, the image's configuration and the host's defaults.
// Generate makes the OCI spec of a Config and the facts of this start (mounted rootfs,
// users looked up inside it, paths of namespaces). Both are pure: no file is read, no
// system call made, so that golden files test them.
package spec
