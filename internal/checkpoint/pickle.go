package checkpoint

import (
	"encoding/binary"
	"fmt"
	"math"
)

// machine runs the instructions of one pickle. It makes plain values and the few objects of makers.
// It looks up and calls nothing that a file names.
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

// global pushes a name, which must be on the list of known ones.
func (m *machine) global(module, name string) error {
	g := module + "." + name
	if !known(g) {
		return fmt.Errorf("global %q is not allowed: a checkpoint holds tensors, and nothing that it names is ever run; save the state dict alone: torch.save(model.state_dict(), path)", g)
	}
	m.push(global(g))
	return nil
}
