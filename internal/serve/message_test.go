package serve

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// FuzzRequest: no request makes the reader panic or take what is not there, and every refusal is the
// client's to mend.
func FuzzRequest(f *testing.F) {
	for _, s := range []struct{ head, body string }{
		{"", `{"inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","data":[[1,2],[3,4e2]]}],"outputs":[{"name":"y"}]}`},
		{"", `{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","data":["aGk="]}],"parameters":{"models":"*"}}`},
		{"92", `{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}]}12345678`},
		{"88", `{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":6}}]}` + "\x02\x00\x00\x00hi"},
		{"-1", `{}`}, {"", `null`}, {"", `{"inputs":null}`}, {"", `{"inputs":[{"shape":[9223372036854775807,9223372036854775807],"data":[]}]}`},
	} {
		f.Add(s.head, []byte(s.body))
	}
	f.Fuzz(func(t *testing.T, head string, body []byte) {
		h := http.Header{}
		if head != "" {
			h.Set(headerLength, head)
		}
		refused := func(err error) bool {
			var c *failure
			if err != nil && (!errors.As(err, &c) || c.code != http.StatusBadRequest || strings.Contains(c.text, "\n") && !strings.Contains(string(body), `\n`)) {
				t.Errorf("%T %v", err, err)
			}
			return err != nil
		}
		r, err := readRequest(h, body)
		if refused(err) {
			return
		}
		for i := range r.Inputs {
			in := &r.Inputs[i]
			for _, dt := range []tensor.DType{tensor.Float32, tensor.Int64, tensor.Bool, tensor.Float16} {
				n, err := in.rows(2)
				if refused(err) {
					continue
				}
				if x, err := in.tensor(dt, n, tensor.Shape{2}); !refused(err) && len(x.Bytes) != 2*n*dt.Size() {
					t.Errorf("%d bytes for %d elements", len(x.Bytes), 2*n)
				}
			}
			if n, err := in.rows(); !refused(err) {
				if list, err := in.elements(n, i%2 == 0); !refused(err) && len(list) != n {
					t.Errorf("%d elements, want %d", len(list), n)
				}
			}
		}
	})
}

// TestContents: every element type is written as it was read.
func TestContents(t *testing.T) {
	for dt, name := range datatypes {
		if dt == tensor.Float16 {
			continue // in binary only
		}
		data := `[[1],[0]]`
		if dt == tensor.Bool {
			data = `[[true],[false]]`
		}
		r, err := readRequest(http.Header{}, fmt.Appendf(nil, `{"inputs":[{"name":"x","shape":[2,1],"datatype":%q,"data":%s}]}`, name, data))
		if err != nil {
			t.Fatal(err)
		}
		x, err := r.Inputs[0].tensor(dt, 2, tensor.Shape{1})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if dt != tensor.Bool && (x.Float64(0) != 1 || x.Float64(1) != 0) || dt == tensor.Bool && (x.Bytes[0] != 1 || x.Bytes[1] != 0) {
			t.Errorf("%s: %v", name, x.Bytes)
		}
		for _, bad := range []string{`["1",0]`, `[1e999,0]`, `[null,0]`, `[{},0]`, `[1.5e,0]`} {
			in := inputTensor{Shape: []int64{2, 1}, Data: []byte(bad)}
			if _, err := in.tensor(dt, 2, tensor.Shape{1}); err == nil {
				t.Errorf("%s took %s", name, bad)
			}
		}
	}
}
