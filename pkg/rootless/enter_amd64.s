#include "textflag.h"

// The program of enter.go. It is never called: its bytes are copied into a file of their own. It finds its
// parameters at a fixed address (paramsAt) and argc, argv and envp at SP, as the kernel leaves them for a new
// program. A system call's number is in AX, its arguments in DI, SI, DX, R10, R8; errors are negative.

#define PARAMS 0x400400

TEXT ·enterCode(SB), NOSPLIT|NOFRAME, $0
	MOVQ SP, R12
	MOVQ $PARAMS, R13
	MOVQ 8(R13), SI           // namespaces; none: only be there
	TESTQ SI, SI
	JEQ  hold
	MOVQ 0(R13), DI           // setns(pidfd, namespaces)
	MOVQ $308, AX
	SYSCALL
	CMPQ AX, $-3              // ESRCH: it has ended since it was found; begin anew
	JEQ  again
	LEAQ 32(R13), R14
	TESTQ AX, AX
	JNE  failed
	MOVQ 80(R13), DI          // chdir(directory)
	MOVQ $80, AX
	SYSCALL
	LEAQ 48(R13), R14
	TESTQ AX, AX
	JNE  failed

again:
	MOVQ 0(R13), DI           // fcntl(pidfd, F_SETFD, FD_CLOEXEC)
	MOVQ $2, SI
	MOVQ $1, DX
	MOVQ $72, AX
	SYSCALL
	MOVQ 16(R13), DI          // and of the program
	MOVQ $2, SI
	MOVQ $1, DX
	MOVQ $72, AX
	SYSCALL
	MOVQ 16(R13), DI          // execveat(program, "", argv, envp, AT_EMPTY_PATH)
	LEAQ 24(R13), SI
	LEAQ 8(R12), DX
	MOVQ 0(R12), R10
	LEAQ 16(R12)(R10*8), R10
	MOVQ $0x1000, R8
	MOVQ $322, AX
	SYSCALL
	LEAQ 64(R13), R14

failed:
	MOVQ $2, DI               // write(2, text, length)
	MOVQ 0(R14), SI
	MOVQ 8(R14), DX
	MOVQ $1, AX
	SYSCALL
	MOVQ $125, DI             // exit_group(125)
	MOVQ $231, AX
	SYSCALL

hold:
	MOVQ $15, DI              // prctl(PR_SET_NAME, text)
	MOVQ 32(R13), SI
	MOVQ $157, AX
	SYSCALL

wait:
	MOVQ $34, AX              // pause()
	SYSCALL
	JMP  wait

TEXT ·enterEnd(SB), NOSPLIT|NOFRAME, $0
	RET

TEXT ·enterRange(SB), NOSPLIT, $0-16
	LEAQ ·enterCode(SB), AX
	MOVQ AX, from+0(FP)
	LEAQ ·enterEnd(SB), AX
	MOVQ AX, to+8(FP)
	RET
