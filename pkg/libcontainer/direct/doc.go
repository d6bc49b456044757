// Package direct makes, out of a plan for a new or a running container, a program that carries it out: a
// list of system calls with everything they refer to, and the few hundred bytes of machine code that
// make them one after the other. It takes the place of the small program on the way of an exec,
// whose Go start is a third of the time of one.
//
// Everything that can be known is known when the list is made: strings, argument lists, capability sets,
// the filter, the places where the program may be. What is only seen inside is decided by the list
// itself, which can tolerate errors, compare a word, copy one, and jump. A call that fails is told to
// the parent with its errno and the words for it, which are in the image (see launch.Account).
//
//	parent: syscall.ForkExec of the image, from a sealed file in memory
//	image:  undumpable; only stdio, the program's files, a socket and a pidfd stay open
//	        enters the namespaces; clones itself as a child of the parent, and tells the pid
//	        terminal, labels, limits, ids, capabilities as package initproc does, in its order
//	        ready, with the container's passwd file if HOME is to be looked up; waits for "go"
//	        looks for the program, says that it executes; signals, filter, execve
//
// A new container's image is executed in its namespaces and builds it first (see Build); a failure of that is the small
// program's to find again.
//
// Nothing of the caller's is in the image but the plan: it is a fresh address space, its /proc/PID/exe is a file
// in memory that is sealed, and nobody has to trust that a copy of a large process keeps its secrets.
//
// What the list cannot do is left to the small program: see Possible and CanBuild.
package direct
