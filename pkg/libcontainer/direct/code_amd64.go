package direct

import "unsafe"

// machine is this architecture's number in an image's header. Source: elf.h, EM_X86_64.
const machine = 62

// codeBounds say where the machine code of images is in this program.
func codeBounds() (start unsafe.Pointer, size uintptr)
