// Package compile turns an OCI runtime configuration into a plan and its handles, for package
// launch to start.
//
// Container and Exec do everything that needs thought: they read the configuration, refuse
// what cannot be honoured, translate names into numbers and options into masks, and compile
// the seccomp filter. The result is executed by initproc in another process. Files are opened
// here only where the child could not (idmapped mounts, namespaces by path, sources hidden
// from a user namespace); those are the Handles.
//
// Source: OCI runtime-spec 1.3, config.md and config-linux.md.
package compile
