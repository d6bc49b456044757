// Package volume is the file side of named volumes: their directories, what fills them
// the first time, their mounts, owners, sizes and removal. What is known of a volume
// (its row) is the store's business; the callers hold the volume's lock.
//
//	<volumes>/<name>/          0700
//	<volumes>/<name>/_data     0755, what a container sees
//	<volumes>/<name>/_copyup*  a copy-up that is not finished; worthless
//	<volumes>/.removing-*      a removal that is not finished; Sweep ends it
//
// Every change is one rename at the end of its work, so that a kill at any moment leaves
// the old state or the new.
package volume
