package rows

import (
	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Tail is a table of AVX2 masks: 8 lanes set, then 8 clear.
type Tail struct{ table Mem }

// NewTail emits the table under a name.
func NewTail(name string) Tail {
	t := Tail{GLOBL(name, attr.RODATA|attr.NOPTR)}
	for i := range 16 {
		lane := U32(0)
		if i < 8 {
			lane = 0xffffffff
		}
		DATA(4*i, lane)
	}
	return t
}

// Point emits the address in p of the mask of n lanes, 1 <= n <= 8; n is lost.
func (t Tail) Point(n, p Register) {
	LEAQ(t.table, p)
	NEGQ(n)
	LEAQ(Mem{Base: p, Index: n, Scale: 4, Disp: 32}, p)
}

// Ymm are the 16 registers of AVX2.
var Ymm = []VecPhysical{Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, Y8, Y9, Y10, Y11, Y12, Y13, Y14, Y15}
