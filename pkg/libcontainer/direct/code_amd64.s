#include "textflag.h"

// code carries out a list of operations: see op. It is copied into the image and never runs here. It uses
// no stack and no address of this program's.
//
//	R13  the context: see the constants of image.go
//	R12  the operation
TEXT code<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVL $0x10000000, R13
	LEAQ 64(R13), R12

loop:
	MOVQ  0(R12), AX
	TESTQ AX, AX
	JLT   special
	MOVQ  8(R12), DI
	MOVQ  16(R12), SI
	MOVQ  24(R12), DX
	MOVQ  32(R12), R10
	MOVQ  40(R12), R8
	MOVQ  48(R12), R9
	MOVQ  AX, BX
	SHRQ  $32, BX
	JNE   loads

call:
	SYSCALL
	CMPQ  AX, $-4095
	JCC   error
	MOVQ  72(R12), BX
	TESTQ BX, BX
	JEQ   next
	MOVQ  AX, (BX)

next:
	ADDQ $88, R12
	JMP  loop

loads:
	MOVL  AX, AX
	TESTL $1, BX
	JEQ   load1
	MOVQ  (DI), DI

load1:
	TESTL $2, BX
	JEQ   load2
	MOVQ  (SI), SI

load2:
	TESTL $4, BX
	JEQ   load3
	MOVQ  (DX), DX

load3:
	TESTL $8, BX
	JEQ   load4
	MOVQ  (R10), R10

load4:
	TESTL $16, BX
	JEQ   load5
	MOVQ  (R8), R8

load5:
	TESTL $32, BX
	JEQ   call
	MOVQ  (R9), R9
	JMP   call

error:
	NEGQ AX
	MOVQ AX, 0(R13)
	MOVQ 56(R12), BX

tolerate:
	MOVWQZX BX, DX
	CMPQ    DX, $0xffff
	JEQ     alt
	CMPQ    DX, AX
	JEQ     alt
	SHRQ    $16, BX
	JNE     tolerate

fail:
	MOVL  AX, 12(R13)
	MOVQ  80(R12), BX
	TESTQ BX, BX
	JEQ   send
	MOVQ  0(BX), DX
	MOVQ  DX, 32(R13)
	MOVQ  8(BX), DX
	MOVQ  DX, 40(R13)

send:
	MOVL $20, AX
	MOVQ 48(R13), DI
	LEAQ 16(R13), SI
	MOVL $2, DX
	SYSCALL

exit:
	MOVL $231, AX
	MOVL $125, DI
	SYSCALL
	JMP  exit

alt:
	MOVQ 64(R12), R12
	JMP  loop

special:
	MOVQ 8(R12), BX
	MOVQ 16(R12), CX
	CMPQ AX, $-1
	JEQ  test
	CMPQ AX, $-2
	JEQ  copy64
	CMPQ AX, $-3
	JEQ  copy32
	CMPQ AX, $-4
	JEQ  least
	CMPQ AX, $-5
	JEQ  alt
	CMPQ AX, $-7
	JEQ  except
	MOVQ (BX), AX
	JMP  fail

except:
	MOVQ (BX), AX
	ANDQ CX, AX
	CMPQ AX, 24(R12)
	JEQ  alt
	JMP  next

test:
	MOVQ (BX), AX
	ANDQ CX, AX
	CMPQ AX, 24(R12)
	JEQ  next
	JMP  alt

copy64:
	MOVQ (BX), AX
	MOVQ AX, (CX)
	JMP  next

copy32:
	MOVL (BX), AX
	MOVL AX, (CX)
	JMP  next

least:
	MOVQ (CX), DX
	CMPQ DX, (BX)
	JCC  next
	MOVQ DX, (BX)
	JMP  next

TEXT codeEnd<>(SB), NOSPLIT|NOFRAME, $0-0
	RET

// func codeBounds() (start unsafe.Pointer, size uintptr)
TEXT ·codeBounds(SB), NOSPLIT, $0-16
	LEAQ code<>(SB), AX
	MOVQ AX, start+0(FP)
	LEAQ codeEnd<>(SB), BX
	SUBQ AX, BX
	MOVQ BX, size+8(FP)
	RET
