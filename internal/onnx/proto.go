package onnx

import (
	"fmt"
	"math"
)

// The messages of onnx.proto that we read, as views of the file's bytes. Field numbers are in the
// functions that read them.

type modelProto struct {
	irVersion int64
	opsets    map[string]int
	producer  string
	graph     *graphProto
	metadata  map[string]string
	functions map[funcKey]*funcProto
}

type funcKey struct{ domain, name, overload string }

type funcProto struct {
	key             funcKey
	inputs, outputs []string
	nodes           []*nodeProto
	defaults        []*attrProto
	opsets          map[string]int
}

// maxNesting limits how deeply graphs may be nested in attributes.
const maxNesting = 24

func parseModel(b []byte) (*modelProto, error) {
	m := &modelProto{opsets: map[string]int{}, metadata: map[string]string{}, functions: map[funcKey]*funcProto{}}
	for f, err := range fields(b) {
		if err == nil {
			err = m.add(f)
		}
		if err != nil {
			return m, err
		}
	}
	return m, nil
}

func (m *modelProto) add(f field) (err error) {
	switch f.num {
	case 1:
		m.irVersion, err = f.int64()
	case 2:
		m.producer, err = f.str()
	case 7:
		var b []byte
		if b, err = f.bytes(); err != nil {
			return err
		}
		if m.graph != nil {
			return fmt.Errorf("holds two graphs")
		}
		m.graph, err = parseGraph(b, 0)
	case 8:
		err = addOpset(m.opsets, f)
	case 14:
		err = addProp(m.metadata, f)
	case 25:
		var b []byte
		if b, err = f.bytes(); err != nil {
			return err
		}
		var fn *funcProto
		if fn, err = parseFunc(b); err != nil {
			return err
		}
		if m.functions[fn.key] != nil {
			return fmt.Errorf("function %s.%s is defined twice", fn.key.domain, fn.key.name)
		}
		m.functions[fn.key] = fn
	}
	return err
}

// normDomain normalises the spelling of the default operator domain.
func normDomain(d string) string {
	if d == "ai.onnx" {
		return ""
	}
	return d
}

// addOpset reads an OperatorSetIdProto.
func addOpset(into map[string]int, f field) error {
	b, err := f.bytes()
	if err != nil {
		return err
	}
	var domain string
	var version int64
	for f, err := range fields(b) {
		if err == nil {
			switch f.num {
			case 1:
				domain, err = f.str()
			case 2:
				version, err = f.int64()
			}
		}
		if err != nil {
			return err
		}
	}
	if version < 0 || version > math.MaxInt32 {
		return fmt.Errorf("opset version %d of domain %q is no version", version, domain)
	}
	into[normDomain(domain)] = int(version)
	return nil
}

// addProp reads a StringStringEntryProto.
func addProp(into map[string]string, f field) error {
	k, v, err := parseProp(f)
	if err == nil {
		into[k] = v
	}
	return err
}

func parseProp(f field) (key, value string, err error) {
	b, err := f.bytes()
	if err != nil {
		return "", "", err
	}
	for f, err := range fields(b) {
		if err == nil {
			switch f.num {
			case 1:
				key, err = f.str()
			case 2:
				value, err = f.str()
			}
		}
		if err != nil {
			return "", "", err
		}
	}
	return key, value, nil
}
