#include "textflag.h"

// handler is a signal handler: DI is the signal's number. It writes the number as a byte into the pipe and returns to
// the restorer, on the stack that the Go runtime has set aside for handlers.
TEXT handler<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0-0
	SUBQ    $24, SP
	MOVB    DI, 0(SP)
	MOVLQSX ·pipe(SB), DI
	MOVQ    SP, SI
	MOVL    $1, DX
	MOVL    $1, AX // write
	SYSCALL
	ADDQ    $24, SP
	RET

// restorer ends a handler. Source: sigreturn(2).
TEXT restorer<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0-0
	MOVL $15, AX // rt_sigreturn
	SYSCALL
	INT  $3

// func entries() (handle, restore uintptr)
TEXT ·entries(SB), NOSPLIT, $0-16
	MOVQ $handler<>(SB), AX
	MOVQ AX, handle+0(FP)
	MOVQ $restorer<>(SB), AX
	MOVQ AX, restore+8(FP)
	RET
