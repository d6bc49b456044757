// Package libcontainer is the embedded runtime: it turns an OCI runtime configuration into a
// plan and its handles, for package launch to start.
//
// Compile and CompileExec do everything that needs thought: they read the configuration, refuse
// what cannot be honoured, translate names into numbers and options into masks, and compile
// the seccomp filter. The result is executed by initproc in another process. Compile
// opens files only where the child could not (idmapped mounts, namespaces by path, sources
// hidden from a user namespace); those are the Handles.
//
// Source: OCI runtime-spec 1.3, config.md and config-linux.md.
package libcontainer
