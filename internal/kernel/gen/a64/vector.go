package a64

import "fmt"

// The vector instructions work on 4 lanes of float32, or of int32 where they say so.

// Load4, Load2 and Load1 read that many lanes from p+off bytes into d; the others become 0.
func (f *Func) Load4(d, p *Reg, off int) {
	f.plain(fmt.Sprintf("FMOVQ %d(R{1}), F{0}", off), def(d), use(p))
}
func (f *Func) Load2(d, p *Reg, off int) {
	f.plain(fmt.Sprintf("FMOVD %d(R{1}), F{0}", off), def(d), use(p))
}
func (f *Func) Load1(d, p *Reg, off int) {
	f.plain(fmt.Sprintf("FMOVS %d(R{1}), F{0}", off), def(d), use(p))
}

// LoadPair reads 8 lanes.
func (f *Func) LoadPair(a, b, p *Reg, off int) {
	f.plain(fmt.Sprintf("FLDPQ %d(R{2}), (F{0}, F{1})", off), def(a), def(b), use(p))
}

// LoadLanes and StoreLanes read and write 1 to 4 lanes, and nothing beyond them.
func (f *Func) LoadLanes(d, p *Reg, off, lanes int) {
	switch lanes {
	case 1:
		f.Load1(d, p, off)
	case 2, 3:
		f.Load2(d, p, off)
		if lanes == 3 {
			f.LoadLane2(d, f.PlusInt(p, off+8))
		}
	default:
		f.Load4(d, p, off)
	}
}
func (f *Func) StoreLanes(v, p *Reg, off, lanes int) {
	switch lanes {
	case 1:
		f.Store1(v, p, off)
	case 2, 3:
		f.Store2(v, p, off)
		if lanes == 3 {
			f.StoreLane2(v, f.PlusInt(p, off+8))
		}
	default:
		f.Store4(v, p, off)
	}
}

// Load4At and Load1At read from p+by bytes.
func (f *Func) Load4At(d, p, by *Reg) {
	f.word(0x3ce06800, "ldr q{0}, [x{1}, x{2}]", def(d), use(p).at(5), use(by).at(16))
}
func (f *Func) Load1At(d, p, by *Reg) {
	f.plain("FMOVS (R{1})(R{2}), F{0}", def(d), use(p), use(by))
}

// LoadLane2 reads lane 2 from p; the others stay.
func (f *Func) LoadLane2(d, p *Reg) { f.plain("VLD1 (R{1}), V{0}.S[2]", update(d), use(p)) }

// Store4, Store2 and Store1 write that many lanes to p+off bytes.
func (f *Func) Store4(v, p *Reg, off int) {
	f.plain(fmt.Sprintf("FMOVQ F{0}, %d(R{1})", off), use(v), use(p))
}
func (f *Func) Store2(v, p *Reg, off int) {
	f.plain(fmt.Sprintf("FMOVD F{0}, %d(R{1})", off), use(v), use(p))
}
func (f *Func) Store1(v, p *Reg, off int) {
	f.plain(fmt.Sprintf("FMOVS F{0}, %d(R{1})", off), use(v), use(p))
}

// Store4At and Store1At write to p+by bytes.
func (f *Func) Store4At(v, p, by *Reg) {
	f.word(0x3ca06800, "str q{0}, [x{1}, x{2}]", use(v), use(p).at(5), use(by).at(16))
}
func (f *Func) Store1At(v, p, by *Reg) {
	f.plain("FMOVS F{0}, (R{1})(R{2})", use(v), use(p), use(by))
}

// StoreLane2 writes lane 2 to p.
func (f *Func) StoreLane2(v, p *Reg) { f.plain("VST1 V{0}.S[2], (R{1})", use(v), use(p)) }

// Move is d = s.
func (f *Func) Move(d, s *Reg) {
	f.body = append(f.body, instruction{text: "VMOV V{1}.B16, V{0}.B16", move: true, ops: []operand{def(d), use(s)}})
}

// Clear is d = 0.
func (f *Func) Clear(d *Reg) { f.plain("VMOVI $0, V{0}.B16", def(d)) }

// Dup is lane 0 of s in all lanes of a new register.
func (f *Func) Dup(s *Reg) *Reg {
	d := f.V()
	f.plain("VDUP V{1}.S[0], V{0}.S4", def(d), use(s))
	return d
}

// Spread is the number at p+off bytes in all lanes of a new register.
func (f *Func) Spread(p *Reg, off int) *Reg {
	s := f.V()
	f.Load1(s, p, off)
	return f.Dup(s)
}

func (f *Func) three(word uint32, name string, a, b *Reg) *Reg {
	d := f.V()
	f.Into(d, word, name, a, b)
	return d
}

// Into is d = a op b, for an op of words that the constants below list.
func (f *Func) Into(d *Reg, word uint32, name string, a, b *Reg) {
	f.word(word, name+" v{0}.4s, v{1}.4s, v{2}.4s", def(d), use(a).at(5), use(b).at(16))
}

// Words of operations on three vectors.
const (
	FADD = 0x4e20d400
	FMAX = 0x4e20f400
	FMIN = 0x4ea0f400
)

func (f *Func) FAdd(a, b *Reg) *Reg { return f.three(FADD, "fadd", a, b) }
func (f *Func) FSub(a, b *Reg) *Reg { return f.three(0x4ea0d400, "fsub", a, b) }
func (f *Func) FMul(a, b *Reg) *Reg { return f.three(0x6e20dc00, "fmul", a, b) }
func (f *Func) FDiv(a, b *Reg) *Reg { return f.three(0x6e20fc00, "fdiv", a, b) }

// FMax and FMin are NaN where either operand is.
func (f *Func) FMax(a, b *Reg) *Reg { return f.three(FMAX, "fmax", a, b) }
func (f *Func) FMin(a, b *Reg) *Reg { return f.three(FMIN, "fmin", a, b) }

// FAddPairs is the sums of neighbours: of a in the lower lanes, of b in the upper ones.
func (f *Func) FAddPairs(a, b *Reg) *Reg { return f.three(0x6e20d400, "faddp", a, b) }

// Comparisons set all bits of the lanes where they hold; NaN compares as false.
func (f *Func) Greater(a, b *Reg) *Reg        { return f.three(0x6ea0e400, "fcmgt", a, b) }
func (f *Func) GreaterOrEqual(a, b *Reg) *Reg { return f.three(0x6e20e400, "fcmge", a, b) }
func (f *Func) Equal(a, b *Reg) *Reg          { return f.three(0x4e20e400, "fcmeq", a, b) }

// IAdd and ISub work on integers.
func (f *Func) IAdd(a, b *Reg) *Reg { return f.three(0x4ea08400, "add", a, b) }
func (f *Func) ISub(a, b *Reg) *Reg { return f.three(0x6ea08400, "sub", a, b) }

func (f *Func) bitwise(word uint32, name string, a, b *Reg) *Reg {
	d := f.V()
	f.word(word, name+" v{0}.16b, v{1}.16b, v{2}.16b", def(d), use(a).at(5), use(b).at(16))
	return d
}

func (f *Func) And(a, b *Reg) *Reg { return f.bitwise(0x4e201c00, "and", a, b) }
func (f *Func) Or(a, b *Reg) *Reg  { return f.bitwise(0x4ea01c00, "orr", a, b) }

// AndNot is a without the bits of b.
func (f *Func) AndNot(a, b *Reg) *Reg { return f.bitwise(0x4e601c00, "bic", a, b) }

// Select is a in the bits of the mask and b elsewhere, and writes over the mask.
func (f *Func) Select(mask, a, b *Reg) {
	f.word(0x6e601c00, "bsl v{0}.16b, v{1}.16b, v{2}.16b", update(mask), use(a).at(5), use(b).at(16))
}

// FMla is d += a*b, with one rounding.
func (f *Func) FMla(d, a, b *Reg) {
	f.plain("VFMLA V{2}.S4, V{1}.S4, V{0}.S4", update(d), use(a), use(b))
}

// FMls is d -= a*b, with one rounding.
func (f *Func) FMls(d, a, b *Reg) {
	f.plain("VFMLS V{2}.S4, V{1}.S4, V{0}.S4", update(d), use(a), use(b))
}

// FMlaBy is d += a * lane 0 of b, with one rounding.
func (f *Func) FMlaBy(d, a, b *Reg) {
	f.word(0x4f801000, "fmla v{0}.4s, v{1}.4s, v{2}.s[0]", update(d), use(a).at(5), use(b).at(16))
}

func (f *Func) two(word uint32, name string, a *Reg) *Reg {
	d := f.V()
	f.word(word, name+" v{0}.4s, v{1}.4s", def(d), use(a).at(5))
	return d
}

func (f *Func) FNeg(a *Reg) *Reg  { return f.two(0x6ea0f800, "fneg", a) }
func (f *Func) FSqrt(a *Reg) *Reg { return f.two(0x6ea1f800, "fsqrt", a) }

// Not inverts all bits.
func (f *Func) Not(a *Reg) *Reg {
	d := f.V()
	f.word(0x6e205800, "mvn v{0}.16b, v{1}.16b", def(d), use(a).at(5))
	return d
}

// IShl and IShr shift integers; to the right the sign comes in.
func (f *Func) IShl(a *Reg, n int) *Reg {
	return f.shift(0x4f005400|uint32(32+n)<<16, fmt.Sprintf("shl v{0}.4s, v{1}.4s, #%d", n), a)
}
func (f *Func) IShr(a *Reg, n int) *Reg {
	return f.shift(0x4f000400|uint32(64-n)<<16, fmt.Sprintf("sshr v{0}.4s, v{1}.4s, #%d", n), a)
}

func (f *Func) shift(word uint32, text string, a *Reg) *Reg {
	d := f.V()
	f.word(word, text, def(d), use(a).at(5))
	return d
}

// Sum is the sum of the lanes, in lane 0.
func (f *Func) Sum(a *Reg) *Reg {
	p := f.FAddPairs(a, a)
	return f.FAddPairs(p, p)
}

// Max is the greatest lane, in lane 0; NaN if there is one.
func (f *Func) Max(a *Reg) *Reg {
	d := f.V()
	f.word(0x6e30f800, "fmaxv s{0}, v{1}.4s", def(d), use(a).at(5))
	return d
}

// Zip is the lower, then the upper lanes of a and b in turn.
func (f *Func) Zip(a, b *Reg) (low, high *Reg) {
	return f.three(0x4e803800, "zip1", a, b), f.three(0x4e807800, "zip2", a, b)
}

// Zip2 is the same with pairs of lanes.
func (f *Func) Zip2(a, b *Reg) (low, high *Reg) {
	low, high = f.V(), f.V()
	f.word(0x4ec03800, "zip1 v{0}.2d, v{1}.2d, v{2}.2d", def(low), use(a).at(5), use(b).at(16))
	f.word(0x4ec07800, "zip2 v{0}.2d, v{1}.2d, v{2}.2d", def(high), use(a).at(5), use(b).at(16))
	return low, high
}
