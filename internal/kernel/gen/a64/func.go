// Package a64 writes functions in Go assembly for arm64, as avo does for amd64: with virtual
// registers, which Func assigns, and stubs in Go.
//
// Vector instructions that Go's assembler lacks are words with the mnemonic in a comment, which a
// test of package kernel gives to another assembler.
package a64

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/types"
	"strings"
)

// Reg is a virtual register: a general one of 64 bits, or a vector of 4 lanes.
type Reg struct {
	id     int
	vector bool
}

// Asm makes a Reg an operand of avo, so that one description of a kernel serves both.
func (r *Reg) Asm() string { return fmt.Sprintf("virtual %d", r.id) }

// Func is a function under construction.
type Func struct {
	name, signature, doc string

	frame      int
	args       int // size of the arguments
	offset     map[string]string
	head, body []instruction // head runs first
	regs       []*Reg
}

// NewFunc begins a function of a Go signature, "func(t *byte, n int)".
func NewFunc(name, signature, doc string) *Func {
	f := &Func{name: name, signature: signature, doc: doc, offset: map[string]string{}}
	expr, err := parser.ParseExpr(signature)
	if err != nil {
		panic(err)
	}
	f.layout(expr.(*ast.FuncType).Params)
	if r := expr.(*ast.FuncType).Results; r != nil {
		f.args = align(f.args, 8)
		f.layout(r)
	}
	return f
}

func align(n, to int) int { return (n + to - 1) / to * to }

// layout finds the place of every parameter in the frame of the caller.
func (f *Func) layout(list *ast.FieldList) {
	for _, field := range list.List {
		names := []string{"ret"}
		if field.Names != nil {
			names = nil
			for _, n := range field.Names {
				names = append(names, n.Name)
			}
		}
		for _, n := range names {
			switch typ := types.ExprString(field.Type); {
			case strings.HasPrefix(typ, "[]"):
				f.args = align(f.args, 8)
				f.offset[n+"_base"] = fmt.Sprintf("%s_base+%d(FP)", n, f.args)
				f.offset[n+"_len"] = fmt.Sprintf("%s_len+%d(FP)", n, f.args+8)
				f.args += 24
			case typ == "float32":
				f.args = align(f.args, 4)
				f.offset[n] = fmt.Sprintf("%s+%d(FP)", n, f.args)
				f.args += 4
			case typ == "bool":
				f.offset[n] = fmt.Sprintf("%s+%d(FP)", n, f.args)
				f.args++
			default:
				f.args = align(f.args, 8)
				f.offset[n] = fmt.Sprintf("%s+%d(FP)", n, f.args)
				f.args += 8
			}
		}
	}
}

// Frame reserves bytes on the stack and returns a register that points to them. The word below them
// holds the return address.
func (f *Func) Frame(bytes int) *Reg {
	f.frame = bytes
	r := f.X()
	f.head = append(f.head, instruction{text: "ADD $8, RSP, R{0}", ops: []operand{def(r)}})
	return r
}

// X is a new general register.
func (f *Func) X() *Reg { return f.reg(false) }

// V is a new vector register.
func (f *Func) V() *Reg { return f.reg(true) }

func (f *Func) reg(vector bool) *Reg {
	r := &Reg{len(f.regs), vector}
	f.regs = append(f.regs, r)
	return r
}

// text is the function in Go assembly.
func (f *Func) text() (string, error) {
	all := append(append([]instruction{}, f.head...), f.body...)
	at, err := assign(all, f.regs)
	if err != nil {
		return "", fmt.Errorf("%s: %w", f.name, err)
	}
	flags := "NOSPLIT"
	if f.frame > 0 {
		flags = "0"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "// %s\nTEXT ·%s(SB), %s, $%d-%d\n", f.signature, f.name, flags, f.frame, f.args)
	for _, i := range all {
		i.write(&b, at)
	}
	return b.String(), nil
}

func (f *Func) stub() string {
	return fmt.Sprintf("// %s %s\n//\n//go:noescape\nfunc %s%s\n", f.name, f.doc, f.name, strings.TrimPrefix(f.signature, "func"))
}
