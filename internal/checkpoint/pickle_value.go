package checkpoint

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// The values of a pickle are nil, bool, int64, float64, string, []byte, and the types below.
type (
	tuple  []any
	list   struct{ items []any }
	global string   // a name such as torch.FloatStorage, not yet used
	inert  struct{} // a value of a known type that holds no weights
	mark   struct{}

	// dict keeps the order of its keys. Keys that are neither strings nor integers are dropped with
	// their values.
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

// bytes reads the next n bytes.
func (m *machine) bytes(n uint64) ([]byte, error) {
	if n > uint64(len(m.in)-m.pos) {
		return nil, fmt.Errorf("the file ends in the middle")
	}
	b := m.in[m.pos : m.pos+int(n)]
	m.pos += int(n)
	return b, nil
}

// unsigned reads a little-endian number of width bytes.
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
