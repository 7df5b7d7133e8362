package serve_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/serve"
)

// tune fits a model to data and returns the folder of the run.
func tune(t *testing.T, model, data string, edit func(*permafrost.Config)) string {
	t.Helper()
	cfg := permafrost.DefaultConfig()
	cfg.Model, cfg.Data, cfg.Out, cfg.Epochs = model, data, filepath.Join(t.TempDir(), "run"), 1
	if edit != nil {
		edit(&cfg)
	}
	if _, err := permafrost.Fit(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	return cfg.Out
}

// residual writes a base of pictures with classes to tune it on.
func residual(t *testing.T) (model, data string) {
	t.Helper()
	t.Setenv("PERMAFROST_CACHE", "off")
	dir := t.TempDir()
	model, data = filepath.Join(dir, "base.onnx"), filepath.Join(dir, "data")
	for _, err := range []error{fixture.WriteResidualModel(model), fixture.WriteStripes(data, 3, 16)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return model, data
}

// unit prepares pictures without assumptions.
func unit(more func(*permafrost.Config)) func(*permafrost.Config) {
	return func(cfg *permafrost.Config) {
		cfg.Preprocess = "unit"
		if more != nil {
			more(cfg)
		}
	}
}

// start serves models.
func start(t *testing.T, o serve.Options) *httptest.Server {
	t.Helper()
	s, err := serve.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		h.Close()
		s.Close()
	})
	return h
}

// answer is the part of a response that tests look at.
type answer struct {
	Error   string `json:"error"`
	Version string `json:"model_version"`
	Outputs []struct {
		Name       string          `json:"name"`
		Shape      []int           `json:"shape"`
		Datatype   string          `json:"datatype"`
		Parameters map[string]int  `json:"parameters"`
		Data       json.RawMessage `json:"data"`
	} `json:"outputs"`

	code int
	tail []byte // of binary tensors
	head http.Header
}

// strings are the elements of an output of strings.
func (a *answer) strings(t *testing.T, name string) (list []string) {
	t.Helper()
	a.read(t, name, &list)
	return list
}

func (a *answer) floats(t *testing.T, name string) (list []float64) {
	t.Helper()
	a.read(t, name, &list)
	return list
}

func (a *answer) read(t *testing.T, name string, to any) {
	t.Helper()
	for _, o := range a.Outputs {
		if o.Name == name {
			if err := json.Unmarshal(o.Data, to); err != nil {
				t.Errorf("output %s: %v", name, err)
			}
			return
		}
	}
	t.Errorf("no output %s: status %d, error %q", name, a.code, a.Error)
}

func post(t *testing.T, url string, header map[string]string, body []byte) *answer {
	t.Helper()
	r, err := http.NewRequest("POST", url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		r.Header.Set(k, v)
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Error(err)
		return &answer{}
	}
	defer w.Body.Close()
	b, err := io.ReadAll(w.Body)
	if err != nil {
		t.Error(err)
	}
	a := &answer{code: w.StatusCode, head: w.Header}
	if n := w.Header.Get("Inference-Header-Content-Length"); n != "" {
		k, _ := strconv.Atoi(n)
		b, a.tail = b[:k], b[k:]
	}
	if err := json.Unmarshal(b, a); err != nil {
		t.Errorf("status %d, %.200s: %v", w.StatusCode, b, err)
	}
	return a
}

// inJSON is a request with one input.
func inJSON(t *testing.T, name, datatype string, shape []int, data any, parameters map[string]any, outputs ...string) []byte {
	t.Helper()
	r := map[string]any{"id": "7", "inputs": []any{map[string]any{"name": name, "datatype": datatype, "shape": shape, "data": data}}}
	if parameters != nil {
		r["parameters"] = parameters
	}
	var wanted []any
	for _, o := range outputs {
		wanted = append(wanted, map[string]string{"name": o})
	}
	if wanted != nil {
		r["outputs"] = wanted
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// predictions are what a model answers for files without a server.
func predictions(t *testing.T, model string, files []string) []permafrost.Prediction {
	t.Helper()
	m, err := permafrost.Open(model)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var out []permafrost.Prediction
	for _, f := range files { // each alone, as a request holds it
		p, _, err := m.Predict(t.Context(), permafrost.Files(f))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p...)
	}
	return out
}

func find(t *testing.T, pattern ...string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(pattern...))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files %v: %v", pattern, err)
	}
	return files
}

// near allows for what the size of a batch and the place of a cut round differently.
func near(got, want float64) bool { return math.Abs(got-want) <= 1e-4*(1+math.Abs(want)) }

// TestShared: models of one base with other plans, and a delta, answer as predict does, whoever asks
// and however many at once; and what they have in common runs once for a batch.
func TestShared(t *testing.T) {
	base, data := residual(t)
	plans := map[string]func(*permafrost.Config){
		"head":    nil,
		"other":   func(c *permafrost.Config) { c.Seed = 5 },
		"last":    func(c *permafrost.Config) { c.Thaw = []string{"head", "last:1"} },
		"norms":   func(c *permafrost.Config) { c.Thaw = []string{"head", "kind:norm"} },
		"all":     func(c *permafrost.Config) { c.Thaw = []string{"all"} },
		"adapted": func(c *permafrost.Config) { c.Adapter = "ia3" },
	}
	files := find(t, data, "*", "*", "*.png")[:24]
	o := serve.Options{MaxBatch: 16}
	want := map[string][]permafrost.Prediction{}
	for name, edit := range plans {
		run := tune(t, base, data, unit(edit))
		want[name] = predictions(t, filepath.Join(run, "model.onnx"), files)
		m := serve.Model{Name: name, Path: filepath.Join(run, "model.onnx")}
		if name == "other" {
			m.Path, m.Delta = base, filepath.Join(run, "delta.safetensors")
		}
		o.Models = append(o.Models, m)
	}
	h := start(t, o)
	check := func(a *answer, name, prefix string, i int) {
		t.Helper()
		w := want[name][i]
		got := a.floats(t, prefix+"scores")
		for k := range w.Logits {
			if len(got) != len(w.Logits) || !near(got[k], float64(w.Logits[k])) {
				t.Errorf("%s of %s: scores %v, predict has %v", name, files[i], got, w.Logits)
				return
			}
		}
		if l := a.strings(t, prefix+"label"); len(l) != 1 || l[0] != w.Label {
			t.Errorf("%s of %s: label %v, predict has %s", name, files[i], l, w.Label)
		}
	}
	var work sync.WaitGroup
	for i, f := range files {
		for name := range plans {
			work.Go(func() {
				b, err := os.ReadFile(f)
				if err != nil {
					t.Error(err)
				}
				check(post(t, h.URL+"/v2/models/"+name+"/infer", map[string]string{"Content-Type": "image/png"}, b), name, "", i)
			})
		}
	}
	work.Wait()
	// One picture asked of all of them at once is one example.
	before := metric(t, h, "permafrost_examples_total")
	b, err := os.ReadFile(files[3])
	if err != nil {
		t.Fatal(err)
	}
	a := post(t, h.URL+"/v2/models/head/infer", nil, inJSON(t, "picture", "BYTES", []int{1}, []string{base64.StdEncoding.EncodeToString(b)}, map[string]any{"models": "*"}))
	for name := range plans {
		prefix := name + "/"
		if name == "head" {
			prefix = ""
		}
		check(a, name, prefix, 3)
	}
	if after := metric(t, h, "permafrost_examples_total"); after != before+1 {
		t.Errorf("one picture of %d models ran as %v examples", len(plans), after-before)
	}
	// A request may hold many, and ask for some of the outputs of some models.
	var all []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, base64.StdEncoding.EncodeToString(b))
	}
	a = post(t, h.URL+"/v2/models/last/infer", nil, inJSON(t, "picture", "BYTES", []int{len(all)}, all, map[string]any{"models": []string{"all"}}, "label"))
	if len(a.Outputs) != 2 {
		t.Errorf("asked for the labels of two models, got %d outputs: %s", len(a.Outputs), a.Error)
	}
	for i := range files {
		if got := a.strings(t, "label"); len(got) != len(files) || got[i] != want["last"][i].Label {
			t.Fatalf("labels %v", got)
		}
		if got := a.strings(t, "all/label"); len(got) != len(files) || got[i] != want["all"][i].Label {
			t.Fatalf("labels of another model %v", got)
		}
	}
}

// metric reads a number of /metrics.
func metric(t *testing.T, h *httptest.Server, name string) float64 {
	t.Helper()
	w, err := http.Get(h.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	b, _ := io.ReadAll(w.Body)
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			x, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				t.Fatal(err)
			}
			return x
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// TestBinary: tensors in binary, both ways, and prepared ones under the model's own names.
func TestBinary(t *testing.T) {
	base, data := residual(t)
	run := tune(t, base, data, unit(nil))
	h := start(t, serve.Options{Models: []serve.Model{{Name: "m", Path: filepath.Join(run, "model.onnx")}}})
	file := find(t, data, "*", "*", "*.png")[0]
	want := predictions(t, filepath.Join(run, "model.onnx"), []string{file})[0]
	picture, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	message := func(input string, contents []byte) (map[string]string, []byte) {
		head := fmt.Appendf(nil, `{"inputs":[%s],"outputs":[{"name":"scores","parameters":{"binary_data":true}},{"name":"label"}]}`, fmt.Sprintf(input, len(contents)))
		return map[string]string{"Inference-Header-Content-Length": strconv.Itoa(len(head))}, append(head, contents...)
	}
	header, body := message(`{"name":"picture","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":%d}}`,
		append(binary.LittleEndian.AppendUint32(nil, uint32(len(picture))), picture...))
	a := post(t, h.URL+"/v2/models/m/infer", header, body)
	if len(a.tail) != 4*len(want.Logits) {
		t.Fatalf("%d bytes of scores, error %q", len(a.tail), a.Error)
	}
	for k, w := range want.Logits {
		if got := math.Float32frombits(binary.LittleEndian.Uint32(a.tail[4*k:])); !near(float64(got), float64(w)) {
			t.Errorf("score %d is %v, predict has %v", k, got, w)
		}
	}
	if l := a.strings(t, "label"); l[0] != want.Label {
		t.Errorf("label %v, want %s", l, want.Label)
	}
	// Two prepared tensors, the same in JSON and in binary.
	n := 2 * 3 * 8 * 8
	numbers, raw := make([]float32, n), []byte(nil)
	for i := range numbers {
		numbers[i] = float32(i%17) / 17
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(numbers[i]))
	}
	header, body = message(`{"name":"image","shape":[2,3,8,8],"datatype":"FP32","parameters":{"binary_data_size":%d}}`, raw)
	a = post(t, h.URL+"/v2/models/m/infer", header, body)
	j := post(t, h.URL+"/v2/models/m/infer", nil, inJSON(t, "image", "FP32", []int{2, 3, 8, 8}, numbers, nil))
	got := j.floats(t, "scores")
	if len(a.tail) != 4*len(got) || len(got) != 2*len(want.Logits) {
		t.Fatalf("%d bytes and %d numbers, errors %q and %q", len(a.tail), len(got), a.Error, j.Error)
	}
	for k := range got {
		if b := math.Float32frombits(binary.LittleEndian.Uint32(a.tail[4*k:])); !near(float64(b), got[k]) {
			t.Errorf("score %d is %v in binary and %v in JSON", k, b, got[k])
		}
	}
	// A body without JSON is one picture.
	a = post(t, h.URL+"/v2/models/m/infer", map[string]string{"Inference-Header-Content-Length": "0"}, picture)
	if l := a.strings(t, "label"); len(l) != 1 || l[0] != want.Label {
		t.Errorf("label %v, want %s", l, want.Label)
	}
}

// TestKinds: texts, sounds and numbers come as they are.
func TestKinds(t *testing.T) {
	t.Setenv("PERMAFROST_CACHE", "off")
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, err := range []error{
		os.Mkdir(at("text"), 0o755), fixture.WriteTextModel(at("text/model.onnx"), false, 1), fixture.WriteTexts(at("text"), 40, 2),
		os.Mkdir(at("sound"), 0o755), fixture.WriteSoundModel(at("sound/model.onnx"), 3, 1), fixture.WriteSounds(at("sounds"), 12, 2),
		fixture.WriteVectorModel(at("vector.onnx"), 3, 1), fixture.WriteVectors(at("vectors"), 12, 1),
		os.Mkdir(at("lm"), 0o755), fixture.WriteLanguageModel(at("lm/model.onnx"), 1),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	text, sound := tune(t, at("text/model.onnx"), at("text"), nil), tune(t, at("sound/model.onnx"), at("sounds"), nil)
	vector := tune(t, at("vector.onnx"), at("vectors"), nil)
	h := start(t, serve.Options{Models: []serve.Model{
		{Name: "text", Path: text + "/model.onnx"}, {Name: "sound", Path: sound + "/model.onnx"}, {Name: "vector", Path: vector + "/model.onnx"}, {Name: "lm", Path: at("lm/model.onnx")},
	}})
	ask := func(name string, body []byte, want permafrost.Prediction) {
		t.Helper()
		a := post(t, h.URL+"/v2/models/"+name+"/infer", nil, body)
		got := a.floats(t, "scores")
		for k := range want.Logits {
			if len(got) != len(want.Logits) || !near(got[k], float64(want.Logits[k])) {
				t.Errorf("%s: scores %v, predict has %v; error %q", name, got, want.Logits, a.Error)
				return
			}
		}
	}
	open := func(run string) *permafrost.Model {
		m, err := permafrost.Open(run + "/model.onnx")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(m.Close)
		return m
	}
	one := func(m *permafrost.Model, e permafrost.Example) permafrost.Prediction {
		t.Helper()
		p, err := m.PredictOne(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	m := open(text)
	for _, s := range []string{"the red cat sat", "blue", "a dog saw the green mat and the cat and the dog ran to the mat"} {
		ask("text", inJSON(t, "text", "BYTES", []int{1}, []string{s}, nil), one(m, permafrost.Example{Text: s}))
	}
	m = open(sound)
	for _, f := range find(t, at("sounds"), "val", "*", "*.wav")[:4] {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		ask("sound", inJSON(t, "sound", "BYTES", []int{1}, []string{base64.StdEncoding.EncodeToString(b)}, nil), one(m, permafrost.Example{Bytes: b}))
	}
	v := []float32{2, 0, 0.1, -1, 0.3, 0}
	ask("vector", inJSON(t, "vector", "FP32", []int{1, 6}, v, nil), one(open(vector), permafrost.Example{Vector: v}))

	lm, err := permafrost.Open(at("lm/model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	defer lm.Close()
	want, _, err := lm.Continue(t.Context(), []string{"the cat"}, permafrost.Continuation{MaxTokens: 5})
	if err != nil {
		t.Fatal(err)
	}
	a := post(t, h.URL+"/v2/models/lm/infer", nil, inJSON(t, "text", "BYTES", []int{1}, []string{"the cat"}, map[string]any{"max_tokens": 5}))
	if got := a.strings(t, "text"); len(got) != 1 || got[0] != *want[0].Text {
		t.Errorf("continued to %q, predict has %q", got, *want[0].Text)
	}
}

// TestRoutes: what clients of the protocol ask before they infer.
func TestRoutes(t *testing.T) {
	base, data := residual(t)
	run := tune(t, base, data, unit(nil))
	h := start(t, serve.Options{Models: []serve.Model{{Name: "m", Path: filepath.Join(run, "model.onnx")}}})
	for _, c := range []struct {
		path string
		code int
		has  string
	}{
		{"/v2", 200, `"binary_tensor_data"`},
		{"/v2/health/live", 200, `"live":true`},
		{"/v2/health/ready", 200, `"ready":true`},
		{"/v2/models", 200, `"name":"m"`},
		{"/v2/models/m", 200, `{"name":"scores","datatype":"FP32","shape":[-1,3]}`},
		{"/v2/models/m/ready", 200, `"ready":true`},
		{"/v2/models/x", 404, `no model \"x\"`},
		{"/v2/models/m/versions/1/ready", 404, `not 1`},
		{"/v1", 404, `GET /v2/models`},
		{"/metrics", 200, "permafrost_requests_in_work 0"},
	} {
		w, err := http.Get(h.URL + c.path)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(w.Body)
		w.Body.Close()
		if w.StatusCode != c.code || !strings.Contains(string(b), c.has) {
			t.Errorf("GET %s: %d %s, want %d with %s", c.path, w.StatusCode, b, c.code, c.has)
		}
	}
}
