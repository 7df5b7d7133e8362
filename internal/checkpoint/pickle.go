package checkpoint

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

// The instructions of pickle that state dicts are made of, protocols 2 to 5. Source: the comments of
// CPython's pickletools module.
const (
	opMark           = '('
	opStop           = '.'
	opPop            = '0'
	opPopMark        = '1'
	opDup            = '2'
	opBinInt         = 'J'
	opBinInt1        = 'K'
	opBinInt2        = 'M'
	opNone           = 'N'
	opBinPersID      = 'Q'
	opReduce         = 'R'
	opBinString      = 'T'
	opShortBinString = 'U'
	opBinUnicode     = 'X'
	opAppend         = 'a'
	opBuild          = 'b'
	opGlobal         = 'c'
	opDict           = 'd'
	opEmptyDict      = '}'
	opAppends        = 'e'
	opBinGet         = 'h'
	opLongBinGet     = 'j'
	opList           = 'l'
	opEmptyList      = ']'
	opBinPut         = 'q'
	opLongBinPut     = 'r'
	opSetItem        = 's'
	opTuple          = 't'
	opEmptyTuple     = ')'
	opSetItems       = 'u'
	opBinFloat       = 'G'
	opBinBytes       = 'B'
	opShortBinBytes  = 'C'

	opProto       = 0x80
	opNewObj      = 0x81
	opTuple1      = 0x85
	opTuple2      = 0x86
	opTuple3      = 0x87
	opNewTrue     = 0x88
	opNewFalse    = 0x89
	opLong1       = 0x8a
	opLong4       = 0x8b
	opShortBinUni = 0x8c
	opBinUni8     = 0x8d
	opBinBytes8   = 0x8e
	opEmptySet    = 0x8f
	opAddItems    = 0x90
	opFrozenSet   = 0x91
	opStackGlobal = 0x93
	opMemoize     = 0x94
	opFrame       = 0x95
)

// What a pickle is read into: nil, bool, int64, float64, string, []byte, and the types below.
type (
	tuple  []any
	list   struct{ items []any }
	global string   // a name such as torch.FloatStorage, not yet used
	inert  struct{} // a value of a known type that holds no weights
	mark   struct{}

	// dict keeps the order of its keys. Keys that are neither strings nor integers are dropped with their values.
	dict struct {
		keys   []string
		values []any
		at     map[string]int
	}
)

func (d *dict) set(key, value any) {
	var k string
	switch key := key.(type) {
	case string:
		k = key
	case int64:
		k = fmt.Sprint(key)
	default:
		return
	}
	if i, ok := d.at[k]; ok {
		d.values[i] = value
		return
	}
	if d.at == nil {
		d.at = map[string]int{}
	}
	d.at[k] = len(d.keys)
	d.keys, d.values = append(d.keys, k), append(d.values, value)
}

func (d *dict) get(key string) (any, bool) {
	i, ok := d.at[key]
	if !ok {
		return nil, false
	}
	return d.values[i], true
}

// machine runs the instructions of one pickle. It makes plain values and the few objects of makers; it
// looks nothing up and calls nothing that a file names.
type machine struct {
	in    []byte
	pos   int
	stack []any
	memo  map[uint64]any
}

// unpickle reads the pickle at the start of b and returns its value and its length.
func unpickle(b []byte) (value any, n int, err error) {
	m := &machine{in: b, memo: map[uint64]any{}}
	for {
		at := m.pos
		op, err := m.bytes(1)
		if err == nil && op[0] == opStop {
			if value, err = m.pop(); err == nil {
				return value, m.pos, nil
			}
		}
		if err == nil {
			err = m.step(op[0])
		}
		if err != nil {
			return nil, 0, fmt.Errorf("pickle: byte %d: %w", at, err)
		}
	}
}

func (m *machine) step(op byte) error {
	switch op {
	case opProto:
		b, err := m.bytes(1)
		if err == nil && b[0] > 5 {
			err = fmt.Errorf("protocol %d is not known", b[0])
		}
		return err
	case opFrame:
		_, err := m.bytes(8)
		return err
	case opMark:
		m.push(mark{})
	case opPop:
		_, err := m.pop()
		return err
	case opPopMark:
		_, err := m.popMark()
		return err
	case opDup:
		v, err := m.top()
		if err != nil {
			return err
		}
		m.push(v)

	case opNone:
		m.push(nil)
	case opNewTrue:
		m.push(true)
	case opNewFalse:
		m.push(false)
	case opBinInt, opBinInt1, opBinInt2, opLong1, opLong4:
		return m.integer(op)
	case opBinFloat:
		b, err := m.bytes(8)
		if err != nil {
			return err
		}
		m.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
	case opBinUnicode, opBinString:
		return m.text(4)
	case opShortBinUni, opShortBinString:
		return m.text(1)
	case opBinUni8:
		return m.text(8)
	case opShortBinBytes:
		return m.blob(1)
	case opBinBytes:
		return m.blob(4)
	case opBinBytes8:
		return m.blob(8)

	case opEmptyTuple:
		m.push(tuple(nil))
	case opTuple1, opTuple2, opTuple3:
		n := int(op-opTuple1) + 1
		if len(m.stack) < n {
			return errStack
		}
		t := tuple(append([]any(nil), m.stack[len(m.stack)-n:]...))
		m.stack = m.stack[:len(m.stack)-n]
		m.push(t)
	case opTuple:
		items, err := m.popMark()
		if err != nil {
			return err
		}
		m.push(tuple(items))
	case opEmptyList:
		m.push(&list{})
	case opList:
		items, err := m.popMark()
		if err != nil {
			return err
		}
		m.push(&list{items})
	case opEmptyDict:
		m.push(&dict{})
	case opDict:
		items, err := m.popMark()
		if err != nil {
			return err
		}
		m.push(&dict{})
		return m.setItems(items)
	case opEmptySet:
		m.push(inert{})
	case opFrozenSet:
		if _, err := m.popMark(); err != nil {
			return err
		}
		m.push(inert{})
	case opAppend:
		v, err := m.pop()
		if err != nil {
			return err
		}
		return m.appends([]any{v})
	case opAppends, opAddItems:
		items, err := m.popMark()
		if err != nil {
			return err
		}
		return m.appends(items)
	case opSetItem:
		if len(m.stack) < 3 {
			return errStack
		}
		items := append([]any(nil), m.stack[len(m.stack)-2:]...)
		m.stack = m.stack[:len(m.stack)-2]
		return m.setItems(items)
	case opSetItems:
		items, err := m.popMark()
		if err != nil {
			return err
		}
		return m.setItems(items)

	case opBinPut:
		return m.put(1)
	case opLongBinPut:
		return m.put(4)
	case opMemoize:
		v, err := m.top()
		if err != nil {
			return err
		}
		m.memo[uint64(len(m.memo))] = v
	case opBinGet:
		return m.recall(1)
	case opLongBinGet:
		return m.recall(4)

	case opGlobal:
		module, err := m.line()
		if err != nil {
			return err
		}
		name, err := m.line()
		if err != nil {
			return err
		}
		return m.global(module, name)
	case opStackGlobal:
		name, err := m.pop()
		if err != nil {
			return err
		}
		module, err := m.pop()
		if err != nil {
			return err
		}
		mod, ok1 := module.(string)
		nam, ok2 := name.(string)
		if !ok1 || !ok2 {
			return fmt.Errorf("a global whose name is no text")
		}
		return m.global(mod, nam)
	case opReduce, opNewObj:
		args, err := m.pop()
		if err != nil {
			return err
		}
		f, err := m.pop()
		if err != nil {
			return err
		}
		name, ok1 := f.(global)
		values, ok2 := args.(tuple)
		if !ok1 || !ok2 {
			return fmt.Errorf("a call of something that is no known global")
		}
		v, err := construct(name, values)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		m.push(v)
	case opBuild: // attributes, of which none matters here
		if _, err := m.pop(); err != nil {
			return err
		}
		v, err := m.top()
		if err != nil {
			return err
		}
		switch v.(type) {
		case *dict, inert, *view:
		default:
			return fmt.Errorf("attributes are set on a %T", v)
		}
	case opBinPersID:
		id, err := m.pop()
		if err != nil {
			return err
		}
		s, err := persistent(id)
		if err != nil {
			return err
		}
		m.push(s)
	default:
		return fmt.Errorf("instruction %#02x is not one that state dicts need", op)
	}
	return nil
}

var errStack = fmt.Errorf("the stack is empty: the pickle is damaged")

func (m *machine) push(v any) { m.stack = append(m.stack, v) }

func (m *machine) top() (any, error) {
	if len(m.stack) == 0 {
		return nil, errStack
	}
	v := m.stack[len(m.stack)-1]
	if _, ok := v.(mark); ok {
		return nil, errStack
	}
	return v, nil
}

func (m *machine) pop() (any, error) {
	v, err := m.top()
	if err == nil {
		m.stack = m.stack[:len(m.stack)-1]
	}
	return v, err
}

// popMark takes what lies above the last mark, and the mark.
func (m *machine) popMark() ([]any, error) {
	for i := len(m.stack) - 1; i >= 0; i-- {
		if _, ok := m.stack[i].(mark); ok {
			items := append([]any(nil), m.stack[i+1:]...)
			m.stack = m.stack[:i]
			return items, nil
		}
	}
	return nil, errStack
}

func (m *machine) appends(items []any) error {
	v, err := m.top()
	if err != nil {
		return err
	}
	switch l := v.(type) {
	case *list:
		l.items = append(l.items, items...)
	case inert:
	default:
		return fmt.Errorf("items are appended to a %T", v)
	}
	return nil
}

func (m *machine) setItems(items []any) error {
	v, err := m.top()
	if err != nil {
		return err
	}
	if len(items)%2 != 0 {
		return fmt.Errorf("a key without a value")
	}
	switch d := v.(type) {
	case *dict:
		for i := 0; i < len(items); i += 2 {
			d.set(items[i], items[i+1])
		}
	case inert:
	default:
		return fmt.Errorf("items are set on a %T", v)
	}
	return nil
}

// bytes takes the next n bytes of the file.
func (m *machine) bytes(n uint64) ([]byte, error) {
	if n > uint64(len(m.in)-m.pos) {
		return nil, fmt.Errorf("the file ends in the middle")
	}
	b := m.in[m.pos : m.pos+int(n)]
	m.pos += int(n)
	return b, nil
}

// unsigned takes a little-endian number of width bytes.
func (m *machine) unsigned(width uint64) (uint64, error) {
	b, err := m.bytes(width)
	if err != nil {
		return 0, err
	}
	var wide [8]byte
	copy(wide[:], b)
	return binary.LittleEndian.Uint64(wide[:]), nil
}

func (m *machine) line() (string, error) {
	rest := m.in[m.pos:]
	n := bytes.IndexByte(rest[:min(len(rest), 512)], '\n')
	if n < 0 {
		return "", fmt.Errorf("a name without an end")
	}
	m.pos += n + 1
	return string(rest[:n]), nil
}

func (m *machine) text(width uint64) error {
	n, err := m.unsigned(width)
	if err != nil {
		return err
	}
	b, err := m.bytes(n)
	if err != nil {
		return err
	}
	m.push(string(b))
	return nil
}

func (m *machine) blob(width uint64) error {
	n, err := m.unsigned(width)
	if err != nil {
		return err
	}
	b, err := m.bytes(n)
	if err != nil {
		return err
	}
	m.push(b)
	return nil
}

func (m *machine) integer(op byte) error {
	width := map[byte]uint64{opBinInt: 4, opBinInt1: 1, opBinInt2: 2, opLong1: 1, opLong4: 4}[op]
	n, err := m.unsigned(width)
	if err != nil {
		return err
	}
	switch op {
	case opBinInt:
		m.push(int64(int32(n)))
		return nil
	case opBinInt1, opBinInt2:
		m.push(int64(n))
		return nil
	}
	b, err := m.bytes(n)
	if err != nil {
		return err
	}
	if len(b) > 8 { // no size or offset needs so many; what it is compared with is its bytes
		m.push(b)
		return nil
	}
	var v int64
	for i, x := range b {
		v |= int64(x) << (8 * i)
	}
	if n := len(b); n > 0 && n < 8 && b[n-1]&0x80 != 0 {
		v -= 1 << (8 * n)
	}
	m.push(v)
	return nil
}

func (m *machine) put(width uint64) error {
	i, err := m.unsigned(width)
	if err != nil {
		return err
	}
	v, err := m.top()
	if err != nil {
		return err
	}
	m.memo[i] = v
	return nil
}

func (m *machine) recall(width uint64) error {
	i, err := m.unsigned(width)
	if err != nil {
		return err
	}
	v, ok := m.memo[i]
	if !ok {
		return fmt.Errorf("memo %d is empty", i)
	}
	m.push(v)
	return nil
}

// global pushes a name that is on the list of those known.
func (m *machine) global(module, name string) error {
	g := module + "." + name
	if !known(g) {
		return fmt.Errorf("global %q is not allowed: a checkpoint holds tensors, and nothing that it names is ever run; save the state dict alone: torch.save(model.state_dict(), path)", g)
	}
	m.push(global(g))
	return nil
}
