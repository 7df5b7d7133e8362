package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// The messages of the Open Inference Protocol, version 2, with its binary tensor extension:
// github.com/kserve/open-inference-protocol.

// headerLength is the header with the number of bytes of a message's JSON. The contents of tensors
// follow it.
const headerLength = "Inference-Header-Content-Length"

type inferRequest struct {
	ID         string             `json:"id"`
	Parameters parameters         `json:"parameters"`
	Inputs     list[inputTensor]  `json:"inputs"`
	Outputs    list[wantedOutput] `json:"outputs"`
}

// Limits on a message, so that it takes little more memory than bytes.
const (
	mostListed     = 1024     // inputs and outputs
	mostParameters = 64 << 10 // bytes of parameters
	mostExamples   = 4096     // of a request
)

// list is a list of up to mostListed elements.
type list[T any] []T

func (l *list[T]) UnmarshalJSON(b []byte) error {
	*l = nil
	if string(b) == "null" {
		return nil
	}
	return eachElement(b, mostListed, func(d *json.Decoder) error {
		var x T
		err := d.Decode(&x)
		*l = append(*l, x)
		return err
	})
}

// eachElement decodes a JSON list of up to most elements.
func eachElement(b []byte, most int, decode func(*json.Decoder) error) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return fmt.Errorf("%.20q is no list", b)
	}
	for n := 0; d.More(); n++ {
		if n == most {
			return fmt.Errorf("a list has more than %d elements", most)
		}
		if err := decode(d); err != nil {
			return err
		}
	}
	return nil
}

// parameters are named values.
type parameters map[string]any

func (p *parameters) UnmarshalJSON(b []byte) error {
	if len(b) > mostParameters {
		return fmt.Errorf("parameters take %d bytes, more than %d", len(b), mostParameters)
	}
	return json.Unmarshal(b, (*map[string]any)(p))
}

type inputTensor struct {
	Name       string          `json:"name"`
	Shape      []int64         `json:"shape"`
	Datatype   string          `json:"datatype"`
	Parameters parameters      `json:"parameters"`
	Data       json.RawMessage `json:"data"`

	binary []byte // in place of Data
}

type wantedOutput struct {
	Name       string     `json:"name"`
	Parameters parameters `json:"parameters"`
}

type inferResponse struct {
	ModelName    string         `json:"model_name"`
	ModelVersion string         `json:"model_version"`
	ID           string         `json:"id,omitempty"`
	Outputs      []outputTensor `json:"outputs"`
}

type outputTensor struct {
	Name       string         `json:"name"`
	Shape      []int          `json:"shape"`
	Datatype   string         `json:"datatype"`
	Parameters map[string]any `json:"parameters,omitempty"`
	Data       any            `json:"data,omitempty"`

	contents
}

// failure is an answer that says what was wrong with a request.
type failure struct {
	code int
	text string
}

func (f *failure) Error() string { return f.text }

func fail(code int, format string, args ...any) error {
	return &failure{code, fmt.Sprintf(format, args...)}
}

// bad is the failure of a request that must be mended.
func bad(format string, args ...any) error { return fail(http.StatusBadRequest, format, args...) }

// readRequest reads the message of a request from its body.
func readRequest(h http.Header, body []byte) (*inferRequest, error) {
	head, rest := body, []byte(nil)
	binary := h.Get(headerLength) != ""
	if binary {
		n, err := strconv.ParseUint(h.Get(headerLength), 10, 63)
		if err != nil {
			return nil, bad("header %s is %q: it is the number of bytes of the JSON", headerLength, h.Get(headerLength))
		}
		if n > uint64(len(body)) {
			return nil, bad("header %s says %d bytes of JSON, and the body has %d: it is truncated", headerLength, n, len(body))
		}
		head, rest = body[:n], body[n:]
	}
	r := &inferRequest{}
	d := json.NewDecoder(bytes.NewReader(head))
	if err := d.Decode(r); err != nil {
		return nil, bad("the body is no inference request in JSON: %v", err)
	}
	if d.More() {
		return nil, bad("the body has more than one JSON object")
	}
	for i := range r.Inputs {
		in := &r.Inputs[i]
		size, ok, err := whole(in.Parameters, "binary_data_size")
		switch {
		case err != nil:
			return nil, bad("input %q: %v", in.Name, err)
		case !ok:
			if in.Data == nil {
				return nil, bad("input %q has no data", in.Name)
			}
			continue
		case !binary:
			return nil, bad("input %q has binary_data_size, and the request no header %s", in.Name, headerLength)
		case in.Data != nil:
			return nil, bad("input %q has data in JSON and binary: give one", in.Name)
		case size > int64(len(rest)):
			return nil, bad("input %q: binary_data_size is %d, and the body has %d bytes left: it is truncated", in.Name, size, len(rest))
		}
		in.binary, rest = rest[:size:size], rest[size:]
	}
	if len(rest) > 0 {
		return nil, bad("the body has %d bytes that belong to no input", len(rest))
	}
	return r, nil
}

// whole is a parameter that is a number of bytes or the like.
func whole(p parameters, name string) (n int64, ok bool, err error) {
	v, ok := p[name]
	if !ok {
		return 0, false, nil
	}
	x, isNumber := v.(float64)
	if !isNumber || x < 0 || x != float64(int64(x)) || x > 1<<53 {
		return 0, true, fmt.Errorf("parameter %s is %v: a whole number, at least 0", name, v)
	}
	return int64(x), true, nil
}

// truth is a parameter that is true or false; absent it is false.
func truth(p parameters, name string) (bool, error) {
	v, ok := p[name]
	if !ok {
		return false, nil
	}
	b, isBool := v.(bool)
	if !isBool {
		return false, bad("parameter %s is %v: true or false", name, v)
	}
	return b, nil
}

// writeResponse writes an answer; outputs that are wanted so are binary.
func writeResponse(w http.ResponseWriter, r *inferResponse, binary func(output string) bool) {
	var tail [][]byte
	size := 0
	for i := range r.Outputs {
		o := &r.Outputs[i]
		if !binary(o.Name) {
			o.Data = o.json()
			continue
		}
		b := o.raw()
		o.Parameters = map[string]any{"binary_data_size": len(b)}
		tail = append(tail, b)
		size += len(b)
	}
	head, err := json.Marshal(r)
	if err != nil { // a number that is none
		writeError(w, fail(http.StatusInternalServerError, "the answer cannot be written as JSON: %v; ask for binary outputs", err))
		return
	}
	if tail == nil {
		w.Header().Set("Content-Type", "application/json")
	} else {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set(headerLength, strconv.Itoa(len(head)))
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(head)+size))
	w.Write(head) // who has hung up needs no answer
	for _, b := range tail {
		w.Write(b)
	}
}

// writeError answers with an error.
func writeError(w http.ResponseWriter, err error) int {
	code := http.StatusInternalServerError
	if f := (*failure)(nil); errors.As(err, &f) {
		code = f.code
	}
	if code == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	writeJSON(w, code, map[string]string{"error": err.Error()})
	return code
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(v) // who has hung up needs no answer
}
