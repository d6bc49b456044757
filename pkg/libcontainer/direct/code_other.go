//go:build !amd64

package direct

import "unsafe"

// machine is for the compiler only: see codeBounds.
const machine = 0

// codeBounds says that there is no machine code for this architecture: the small program serves.
func codeBounds() (start unsafe.Pointer, size uintptr) { return nil, 0 }
