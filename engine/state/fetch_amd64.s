#include "textflag.h"

// func fetch(record *byte)
TEXT ·fetch(SB), NOSPLIT, $0-8
	MOVQ record+0(FP), AX
	PREFETCHT0 (AX)
	PREFETCHT0 64(AX)
	PREFETCHT0 128(AX)
	PREFETCHT0 192(AX)
	RET
