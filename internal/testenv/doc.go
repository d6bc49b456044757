// Package testenv gives tests a world of their own: images built from this machine's
// package mirror, a manager with private directories, and a look at what is left behind.
//
// Images are built once and kept in a cache (see CacheDir), as docker-archive files, so
// no test needs a registry on the internet. A Manager is the built program with its own
// root, run directory, configuration and cgroup parent. Residue compares the machine
// before and after a test and names what carries the test's marks and should be gone.
//
// A test that needs another world than the one it is started in says so with Need, and is left to a
// Lane: a virtual machine (BuildMachine), which the driver in test/vm boots, or a mount namespace.
//
// Nothing here is linked into the products.
package testenv
