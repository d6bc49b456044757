// Package hostfiles makes the small files that a container gets from its engine:
// resolv.conf, hosts, hostname and .containerenv. Functions of bytes to bytes; the
// callers read the host's files and write the results.
package hostfiles
