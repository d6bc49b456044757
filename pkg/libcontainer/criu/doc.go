// Package criu has CRIU dump and restore process trees.
//
// The program criu is started as a worker ("criu swrk FD") and spoken to over a SOCK_SEQPACKET
// socket in the messages of its rpc.proto. They are protocol buffers; the dozen field types in use
// are written and read here by hand (wire.go, request.go, response.go), so that no library is linked in for them.
//
//	here                                     criu
//	request (dump, restore, pre-dump)   →
//	                                    ←    notification: a step's name, at times a descriptor
//	request (notify: go on, or do not)  →
//	                                    ←    response: success, or an error and its text
//
// Images are what a dump leaves in a directory and a restore reads. They may come from a stranger's
// archive: Images checks a directory before criu sees it.
//
// Source: CRIU's images/rpc.proto, and criu(8).
package criu
