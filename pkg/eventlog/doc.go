// Package eventlog keeps what happened to containers, images and volumes: one line of JSON an event,
// in a file of bounded size.
//
// Every process of ours that changes something appends to the file: one open, one write, nothing is
// synced. Nobody waits for a reader, and readers keep nobody waiting.
//
//	events.log     the newest events
//	events.log.1   those before, once events.log was full
//
// A writer holds a shared lock (flock) on the file while it writes, the one that renames a full file
// an exclusive lock, and a writer that finds its file renamed begins again with the new one. So a
// file is complete once it is no longer events.log, and a reader that follows misses nothing. No
// lock is waited for: a process that was stopped while it had one delays nobody.
//
// A write that was cut short (a full disk, a power cut) leaves a line without its end. The next
// writer ends it, and readers pass over what is no event.
package eventlog
