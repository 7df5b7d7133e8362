package serve_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/serve"
)

// pictureServer serves one model of pictures, and returns a picture that it takes.
func pictureServer(t *testing.T, o serve.Options) (url string, picture []byte) {
	t.Helper()
	base, data := residual(t)
	run := tune(t, base, data, unit(nil))
	o.Models = []serve.Model{{Name: "m", Path: filepath.Join(run, "model.onnx")}}
	b, err := os.ReadFile(find(t, data, "*", "*", "*.png")[0])
	if err != nil {
		t.Fatal(err)
	}
	return start(t, o).URL, b
}

// TestHostile: what cannot be understood is refused in words, and the server goes on.
func TestHostile(t *testing.T) {
	url, picture := pictureServer(t, serve.Options{MaxBody: 1 << 20})
	image := func(shape, rest string) string {
		return fmt.Sprintf(`{"inputs":[{"name":"image","shape":%s,"datatype":"FP32",%s}]}`, shape, rest)
	}
	for _, c := range []struct {
		name   string
		header string // Inference-Header-Content-Length, or a Content-Type
		body   string
		code   int
		has    string
	}{
		{"nothing", "", "", 400, "no inference request"},
		{"no JSON", "", "hello", 400, "no inference request"},
		{"no inputs", "", `{}`, 400, "the request has none"},
		{"two objects", "", `{}{}`, 400, "more than one"},
		{"a list", "", `[]`, 400, "no inference request"},
		{"deep", "", `{"inputs":` + strings.Repeat("[", 100000), 400, "no inference request"},
		{"many inputs", "", `{"inputs":[` + strings.Repeat("{},", 5000) + `{}]}`, 400, "more than 1024"},
		{"large parameters", "", `{"parameters":{"a":"` + strings.Repeat("x", 1<<17) + `"}}`, 400, "parameters take"},
		{"unknown input", "", `{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]}]}`, 400, `takes the input "picture"`},
		{"unknown parameter", "", `{"parameters":{"speed":9}}`, 400, "parameter speed"},
		{"wrong datatype", "", `{"inputs":[{"name":"image","shape":[1,3,8,8],"datatype":"INT8","data":[1]}]}`, 400, "takes FP32"},
		{"huge shape", "", image("[4096,3,8,8]", `"data":[1,2]`), 400, "more elements"},
		{"larger shape", "", image("[9223372036854775807,3,8,8]", `"data":[1]`), 400, "up to 4096"},
		{"negative shape", "", image("[-1,3,8,8]", `"data":[1]`), 400, "takes [N,3,8,8]"},
		{"no example", "", image("[0,3,8,8]", `"data":[]`), 400, "no example"},
		{"wrong shape", "", image("[1,3,8]", `"data":[1]`), 400, "takes [N,3,8,8]"},
		{"fractional shape", "", image("[1.5]", `"data":[1]`), 400, "no inference request"},
		{"too few numbers", "", image("[1,3,8,8]", `"data":[`+strings.Repeat("1,", 100)+`1]`), 400, "elements"},
		{"too many numbers", "", image("[1,3,8,8]", `"data":[`+strings.Repeat("1,", 500)+`1]`), 400, "more elements"},
		{"text for numbers", "", image("[1,3,8,8]", `"data":[`+strings.Repeat(`"a",`, 191)+`"a"]`), 400, "no number"},
		{"no data", "", image("[1,3,8,8]", `"x":1`), 400, "no data"},
		{"numbers for text", "", `{"inputs":[{"name":"picture","shape":[1],"datatype":"BYTES","data":[7]}]}`, 400, "no list of strings"},
		{"no base64", "", `{"inputs":[{"name":"picture","shape":[1],"datatype":"BYTES","data":["%%"]}]}`, 400, "base64"},
		{"another codec", "", `{"inputs":[{"name":"picture","shape":[1],"datatype":"BYTES","data":["a"],"parameters":{"content_type":"np"}}]}`, 400, "content_type"},
		{"no picture", "", `{"inputs":[{"name":"picture","shape":[1],"datatype":"BYTES","data":["aGVsbG8="]}]}`, 400, "picture 0"},
		{"no picture as it comes", "image/png", "hello", 400, "picture 0"},
		{"an empty picture", "image/png", "", 400, "empty"},
		{"half a picture", "image/png", string(picture[:len(picture)/2]), 400, "picture 0"},
		{"unknown output", "", `{"inputs":[{"name":"picture","shape":[1],"datatype":"BYTES","data":["aGVsbG8="]}],"outputs":[{"name":"x"}]}`, 400, `no output "x"`},
		{"unknown model beside", "", `{"parameters":{"models":["x"]}}`, 400, "no model x"},
		{"models of another type", "", `{"parameters":{"models":{}}}`, 400, "a list of names"},
		{"continuing a picture", "", `{"parameters":{"max_tokens":3}}`, 400, "only a language model"},
		{"header that is none", "12x", `{}`, 400, "header"},
		{"truncated head", "99", `{}`, 400, "truncated"},
		{"negative head", "-1", `{}`, 400, "header"},
		{"bytes of nobody", "2", `{}xyz`, 400, "belong to no input"},
		{"binary without header", "", image("[1,3,8,8]", `"parameters":{"binary_data_size":768}`), 400, "no header"},
		{"too large", "image/png", strings.Repeat("x", 1<<20+1), 413, "more than the server takes"},
	} {
		header := map[string]string{}
		switch {
		case strings.Contains(c.header, "/"):
			header["Content-Type"] = c.header
		case c.header != "":
			header["Inference-Header-Content-Length"] = c.header
		}
		if a := post(t, url+"/v2/models/m/infer", header, []byte(c.body)); a.code != c.code || !strings.Contains(a.Error, c.has) || len(a.Error) > 500 {
			t.Errorf("%s: %d %q, want %d with %q", c.name, a.code, a.Error, c.code, c.has)
		}
	}
	// Binary tensors whose sizes do not fit.
	for name, c := range map[string]struct {
		input, contents, has string
	}{
		"truncated tensor":     {`{"name":"image","shape":[1,3,8,8],"datatype":"FP32","parameters":{"binary_data_size":768}}`, "abc", "truncated"},
		"short tensor":         {`{"name":"image","shape":[1,3,8,8],"datatype":"FP32","parameters":{"binary_data_size":4}}`, "abcd", "more elements"},
		"long tensor":          {`{"name":"image","shape":[1,3,8,8],"datatype":"FP32","parameters":{"binary_data_size":1000}}`, strings.Repeat("a", 1000), "1000 bytes"},
		"fractional size":      {`{"name":"image","shape":[1,3,8,8],"datatype":"FP32","parameters":{"binary_data_size":1.5}}`, "abcd", "whole number"},
		"a size of 2^64":       {`{"name":"image","shape":[1,3,8,8],"datatype":"FP32","parameters":{"binary_data_size":1e300}}`, "abcd", "whole number"},
		"truncated element":    {`{"name":"picture","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":6}}`, "\xff\xff\xff\xffab", "element 0 is truncated"},
		"more elements":        {`{"name":"picture","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":8}}`, "\x00\x00\x00\x00\x00\x00\x00\x00", "more elements"},
		"fewer elements":       {`{"name":"picture","shape":[3],"datatype":"BYTES","parameters":{"binary_data_size":4}}`, "\x00\x00\x00\x00", "1 elements"},
		"data in both":         {`{"name":"image","shape":[1,3,8,8],"datatype":"FP32","data":[1],"parameters":{"binary_data_size":4}}`, "abcd", "give one"},
		"examples without end": {`{"name":"picture","shape":[5000],"datatype":"BYTES","parameters":{"binary_data_size":4}}`, "abcd", "up to 4096"},
	} {
		head := `{"inputs":[` + c.input + `]}`
		a := post(t, url+"/v2/models/m/infer", map[string]string{"Inference-Header-Content-Length": fmt.Sprint(len(head))}, []byte(head+c.contents))
		if a.code != 400 || !strings.Contains(a.Error, c.has) {
			t.Errorf("%s: %d %q, want %q", name, a.code, a.Error, c.has)
		}
	}
	if a := post(t, url+"/v2/models/m/infer", map[string]string{"Content-Type": "image/png"}, picture); a.code != 200 {
		t.Errorf("afterwards: %d %q", a.code, a.Error)
	}
}

// slowly opens a connection and sends a request of size bytes of which only the first few come.
func slowly(t *testing.T, url string, size int, first []byte) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(c, "POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n%s", size, first)
	return c
}

// eventually waits for something that happens soon.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came that %s", what)
		}
	}
}

// inWork waits until a server says that n requests are in work.
func inWork(t *testing.T, url string, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d requests were in work", n), func() bool {
		w, err := http.Get(url + "/metrics")
		if err != nil {
			return false
		}
		defer w.Body.Close()
		b, _ := io.ReadAll(w.Body)
		return strings.Contains(string(b), fmt.Sprintf("permafrost_requests_in_work %d\n", n))
	})
}

// TestQueue: when all places are taken, further requests are told to come back.
func TestQueue(t *testing.T) {
	url, picture := pictureServer(t, serve.Options{Queue: 2})
	ask := func() *answer {
		return post(t, url+"/v2/models/m/infer", map[string]string{"Content-Type": "image/png"}, picture)
	}
	slow := []net.Conn{slowly(t, url, len(picture), picture[:10]), slowly(t, url, len(picture), picture[:10])}
	inWork(t, url, len(slow))
	a := ask()
	if a.code != 503 {
		t.Errorf("both places are taken, and the answer is %d", a.code)
	}
	if a.head.Get("Retry-After") == "" || !strings.Contains(a.Error, "2 requests") {
		t.Errorf("Retry-After %q, error %q", a.head.Get("Retry-After"), a.Error)
	}
	for _, c := range slow { // who was slow is answered at last
		c.Write(picture[10:])
		w, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || w.StatusCode != 200 {
			t.Errorf("a slow request: %v %v", w, err)
		}
	}
	eventually(t, "the places were free again", func() bool { return ask().code == 200 })
}

// TestMemory: bodies on their way count, before they have come.
func TestMemory(t *testing.T) {
	url, picture := pictureServer(t, serve.Options{MaxBody: 1 << 20, Memory: 1 << 20})
	var a *answer
	eventually(t, "memory was taken", func() bool {
		slowly(t, url, 1<<20, picture[:10]) // is refused itself if it comes while the other is in work
		a = post(t, url+"/v2/models/m/infer", map[string]string{"Content-Type": "image/png"}, picture)
		return a.code == 503
	})
	if !strings.Contains(a.Error, "memory") {
		t.Errorf("error %q", a.Error)
	}
}

// TestSlow: a client that does not send its request in time is turned away.
func TestSlow(t *testing.T) {
	url, picture := pictureServer(t, serve.Options{Timeout: 100 * time.Millisecond})
	c := slowly(t, url, len(picture), picture[:10])
	w, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || w.StatusCode != http.StatusRequestTimeout {
		t.Fatalf("%v %v", w, err)
	}
}

// TestStop: when the server is told to stop, requests in work are answered and new ones are not.
func TestStop(t *testing.T) {
	base, data := residual(t)
	run := tune(t, base, data, unit(nil))
	picture, err := os.ReadFile(find(t, data, "*", "*", "*.png")[0])
	if err != nil {
		t.Fatal(err)
	}
	s, err := serve.New(t.Context(), serve.Options{Models: []serve.Model{{Name: "m", Path: filepath.Join(run, "model.onnx")}}, Grace: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	url := "http://" + l.Addr().String()
	c := slowly(t, url, len(picture), picture[:10])
	inWork(t, url, 1)
	stop()
	eventually(t, "new connections were refused", func() bool {
		_, err := http.Post(url+"/v2/models/m/infer", "image/png", strings.NewReader("x"))
		return err != nil
	})
	select {
	case err := <-ended:
		t.Fatalf("it ended with a request in work: %v", err)
	default:
	}
	c.Write(picture[10:])
	w, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || w.StatusCode != 200 {
		t.Errorf("the request in work: %v %v", w, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestReload: a file that changes is loaded again while requests go on; one that cannot be used
// changes nothing. A delta likewise.
func TestReload(t *testing.T) {
	base, data := residual(t)
	var runs []string
	for seed := range uint64(2) {
		runs = append(runs, tune(t, base, data, unit(func(c *permafrost.Config) { c.Seed = seed })))
	}
	file := find(t, data, "*", "*", "*.png")[5]
	picture, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var want [2]permafrost.Prediction
	for i, run := range runs {
		want[i] = predictions(t, filepath.Join(run, "model.onnx"), []string{file})[0]
	}
	dir := t.TempDir()
	put := func(name, from string) {
		t.Helper()
		b, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name+".new"), b, 0o644)
		}
		if err == nil {
			err = os.Rename(filepath.Join(dir, name+".new"), filepath.Join(dir, name))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put("whole.onnx", filepath.Join(runs[0], "model.onnx"))
	put("part.safetensors", filepath.Join(runs[1], "delta.safetensors"))
	var mu sync.Mutex
	var said strings.Builder
	h := start(t, serve.Options{Poll: 10 * time.Millisecond, Models: []serve.Model{
		{Name: "whole", Path: filepath.Join(dir, "whole.onnx")},
		{Name: "part", Path: base, Delta: filepath.Join(dir, "part.safetensors")},
	}, Say: func(msg string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(&said, msg)
	}})
	is := func(name string, seed int) bool {
		a := post(t, h.URL+"/v2/models/"+name+"/infer", map[string]string{"Content-Type": "image/png"}, picture)
		if a.code != 200 {
			t.Fatalf("%s: %d %s", name, a.code, a.Error)
		}
		return near(a.floats(t, "scores")[0], float64(want[seed].Logits[0]))
	}
	if near(float64(want[0].Logits[0]), float64(want[1].Logits[0])) {
		t.Fatal("both models answer alike, so the test shows nothing")
	}
	if !is("whole", 0) || !is("part", 1) {
		t.Fatal("the first answers are others")
	}
	put("whole.onnx", filepath.Join(runs[1], "model.onnx"))
	put("part.safetensors", filepath.Join(runs[0], "delta.safetensors"))
	eventually(t, "both were loaded again", func() bool { return is("whole", 1) && is("part", 0) })
	put("whole.onnx", file) // a picture is no model
	eventually(t, "it was said that a file cannot be used", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return strings.Contains(said.String(), "model whole stays as it is")
	})
	if !is("whole", 1) || !is("part", 0) {
		t.Error("a file that is no model changed the answers")
	}
	if got := metric(t, h, `permafrost_reloads_total{model="whole",result="failed"}`); got != 1 {
		t.Errorf("%v failures counted: one file that cannot be used is tried once", got)
	}
	if err := os.Remove(filepath.Join(dir, "part.safetensors")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	if !is("part", 0) {
		t.Error("a file that is gone changed the answers")
	}
	put("part.safetensors", filepath.Join(runs[1], "delta.safetensors"))
	eventually(t, "the delta was back", func() bool { return is("part", 1) })
}

// TestElement: an element of a binary tensor may hold any bytes.
func TestElement(t *testing.T) {
	url, picture := pictureServer(t, serve.Options{})
	body := binary.LittleEndian.AppendUint32(nil, uint32(len(picture)))
	body = append(body, picture...)
	head := fmt.Sprintf(`{"inputs":[{"name":"picture","shape":[2,1],"datatype":"BYTES","parameters":{"binary_data_size":%d}}]}`, 2*len(body))
	a := post(t, url+"/v2/models/m/infer", map[string]string{"Inference-Header-Content-Length": fmt.Sprint(len(head))}, append(append([]byte(head), body...), body...))
	if l := a.strings(t, "label"); len(l) != 2 || l[0] != l[1] {
		t.Errorf("labels %v, error %q", l, a.Error)
	}
}

// TestNew: what cannot be served is refused before anything listens.
func TestNew(t *testing.T) {
	base, data := residual(t)
	run := filepath.Join(tune(t, base, data, unit(nil)), "model.onnx")
	for name, c := range map[string]struct {
		o   serve.Options
		has string
	}{
		"no model":       {serve.Options{}, "none is given"},
		"no file":        {serve.Options{Models: []serve.Model{{Path: "/no/such.onnx"}}}, "no such file"},
		"no delta":       {serve.Options{Models: []serve.Model{{Path: base, Delta: run}}}, "no delta"},
		"twice":          {serve.Options{Models: []serve.Model{{Name: "a", Path: run}, {Name: "a", Path: run}}}, "two models"},
		"slash":          {serve.Options{Models: []serve.Model{{Name: "a/b", Path: run}}}, "no slash"},
		"no batch":       {serve.Options{MaxBatch: -1, Models: []serve.Model{{Path: run}}}, "max_batch"},
		"too little":     {serve.Options{MaxBody: 100, Memory: 10, Models: []serve.Model{{Path: run}}}, "memory"},
		"negative queue": {serve.Options{Queue: -1, Models: []serve.Model{{Path: run}}}, "queue"},
	} {
		if _, err := serve.New(t.Context(), c.o); err == nil || !strings.Contains(err.Error(), c.has) {
			t.Errorf("%s: %v, want %q", name, err, c.has)
		}
	}
	for arg, want := range map[string]string{run: "run", "x=" + run: "x", filepath.Dir(run): "run", base + "+" + filepath.Dir(run): "run", base: "base"} {
		if m, err := serve.ParseModel(arg); err != nil || m.Name != want {
			t.Errorf("%s: %+v %v, want the name %s", arg, m, err, want)
		}
	}
	for _, arg := range []string{"/no/such", "=" + run, "a/b=" + run} {
		if m, err := serve.ParseModel(arg); err == nil {
			t.Errorf("%s was taken: %+v", arg, m)
		}
	}
}
