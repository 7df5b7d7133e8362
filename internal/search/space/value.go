package space

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// Value is what a parameter is set to: a text, a number, a truth value or a list of texts. Values
// compare with ==. A number that is whole is the same value whether it was written 5 or 5.0.
type Value struct {
	kind valueKind
	text string // of a text; of a list its JSON
	x    float64
}

type valueKind uint8

const (
	none valueKind = iota
	text
	number
	truth
	list
)

// Text is a value that is a text.
func Text(s string) Value { return Value{kind: text, text: s} }

// Number is a value that is a finite number; -0 is 0.
func Number(x float64) Value { return Value{kind: number, x: x + 0} }

// Truth is a value that is true or false.
func Truth(b bool) Value {
	if b {
		return Value{kind: truth, x: 1}
	}
	return Value{kind: truth}
}

// List is a value that is a list of texts.
func List(texts ...string) Value {
	b, err := json.Marshal(append([]string{}, texts...))
	if err != nil {
		panic("space: a list of texts has no JSON: " + err.Error())
	}
	return Value{kind: list, text: string(b)}
}

// Any returns the value as string, int, float64, bool or []string. A whole number is an int.
func (v Value) Any() any {
	switch v.kind {
	case text:
		return v.text
	case number:
		if v.whole() {
			return int(v.x)
		}
		return v.x
	case truth:
		return v.x != 0
	case list:
		return v.Texts()
	}
	return nil
}

// Texts returns the texts of a list, and of any other value its one text.
func (v Value) Texts() []string {
	if v.kind != list {
		return []string{v.String()}
	}
	var out []string
	if err := json.Unmarshal([]byte(v.text), &out); err != nil {
		panic("space: a list does not read back: " + err.Error())
	}
	return out
}

// Float returns the number, and whether v is one.
func (v Value) Float() (float64, bool) { return v.x, v.kind == number }

// String is the value as a person writes it: a text without quotes, a list as JSON.
func (v Value) String() string {
	switch v.kind {
	case none:
		return "null"
	case number:
		return strconv.FormatFloat(v.x, 'g', -1, 64)
	case truth:
		return strconv.FormatBool(v.x != 0)
	}
	return v.text
}

// MarshalJSON writes a text in quotes, a number as one, and so on.
func (v Value) MarshalJSON() ([]byte, error) {
	if v.kind == text {
		return json.Marshal(v.text)
	}
	return []byte(v.String()), nil
}

// UnmarshalJSON reads what MarshalJSON wrote, to the same bits.
func (v *Value) UnmarshalJSON(b []byte) error {
	var x any
	if err := json.Unmarshal(b, &x); err != nil {
		return err
	}
	var err error
	*v, err = valueOf(x)
	return err
}

// valueOf turns what a JSON or YAML reader gives into a value.
func valueOf(x any) (Value, error) {
	switch x := x.(type) {
	case string:
		return Text(x), nil
	case bool:
		return Truth(x), nil
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return Value{}, fmt.Errorf("%v is not a finite number", x)
		}
		return Number(x), nil
	case int64:
		return wholeOf(float64(x), x == int64(float64(x)) && x != math.MaxInt64)
	case uint64:
		return wholeOf(float64(x), x < 1<<53)
	case []any:
		texts := make([]string, len(x))
		for i, e := range x {
			s, ok := e.(string)
			if !ok {
				return Value{}, fmt.Errorf("a value that is a list holds texts, not %v", e)
			}
			texts[i] = s
		}
		return List(texts...), nil
	}
	return Value{}, fmt.Errorf("%v is no text, number, truth value or list of texts", x)
}

func wholeOf(x float64, exact bool) (Value, error) {
	if !exact || math.Abs(x) > 1<<53 {
		return Value{}, fmt.Errorf("%.0f is too large for a parameter", x)
	}
	return Number(x), nil
}

func (v Value) whole() bool {
	return v.kind == number && v.x == math.Trunc(v.x) && math.Abs(v.x) <= 1<<53
}
