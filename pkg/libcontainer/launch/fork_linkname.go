package launch

import _ "unsafe" // for go:linkname

// The runtime's own preparations for a fork: signals are blocked before it and handlers
// reset in the child. The empty assembly file of this package lets them have no body.

//go:linkname runtimeBeforeFork syscall.runtime_BeforeFork
func runtimeBeforeFork()

//go:linkname runtimeAfterFork syscall.runtime_AfterFork
func runtimeAfterFork()

//go:linkname runtimeAfterForkInChild syscall.runtime_AfterForkInChild
func runtimeAfterForkInChild()
