package dash_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/dash"
	"github.com/permafrost-ml/permafrost/internal/hub/hubtest"
)

// slowHub is a hub with the model hf:lab/tiny, of which half comes until free is set.
func slowHub(t *testing.T, model string) (free *atomic.Bool) {
	t.Helper()
	content, err := os.ReadFile(model)
	must(t, err)
	h := hubtest.New(t)
	h.Put("models/lab/tiny", "onnx/model.onnx", content)
	free = &atomic.Bool{}
	t.Cleanup(func() { free.Store(true) })
	h.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		if free.Load() || r.Method != "GET" || !strings.HasSuffix(r.URL.Path, "lab/tiny/onnx/model.onnx") || len(content) < hubtest.Large || r.URL.Query().Get("store") == "" && strings.Contains(r.URL.Path, "/resolve/") {
			return false
		}
		w.Header().Set("ETag", `"of-the-store"`)
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		_, _ = w.Write(content[:len(content)/2])
		_ = http.NewResponseController(w).Flush()
		for !free.Load() && r.Context().Err() == nil {
			time.Sleep(5 * time.Millisecond)
		}
		return true
	})
	return free
}

// TestFetch: a model that is on its way from a hub is shown with how far it is, and can be stopped; what
// has come is kept.
func TestFetch(t *testing.T) {
	w := newWorld(t)
	free := slowHub(t, w.model)
	h := w.serve(t, func(o *dash.Options) { o.Models, o.Poll = []string{"hf:lab/tiny"}, 10*time.Millisecond })
	form := url.Values{"model": {"hf:lab/tiny"}}
	status, text := get(t, h, "/plan?"+form.Encode())
	if status != 200 || !strings.Contains(text, `id="fetch"`) || !strings.Contains(text, "lab/tiny") {
		t.Fatalf("status %d:\n%s", status, text)
	}
	told := make(chan string, 1)
	go func() {
		_, text := ask(t, h, "GET", "/plan/fetch?"+form.Encode(), nil, nil)
		told <- text
	}()
	time.Sleep(50 * time.Millisecond)
	if a, text := ask(t, h, "POST", "/plan/fetch/stop", form, nil); a.StatusCode != 200 || !strings.Contains(text, "the download was stopped") {
		t.Errorf("stopping: status %d:\n%s", a.StatusCode, text)
	}
	if text := <-told; !strings.Contains(text, "event: progress") || !strings.Contains(text, "onnx/model.onnx: ") || !strings.Contains(text, "event: failed") {
		t.Errorf("the page hears:\n%s", text)
	}
	if a, _ := ask(t, h, "POST", "/plan/fetch/stop", form, nil); a.StatusCode != 409 {
		t.Errorf("stopping what has stopped: status %d", a.StatusCode)
	}
	free.Store(true)
	get(t, h, "/plan?"+form.Encode())
	_, text = ask(t, h, "GET", "/plan/fetch?"+form.Encode(), nil, nil)
	if !strings.Contains(text, "event: refresh") {
		t.Errorf("the page hears:\n%s", text)
	}
	if _, text = get(t, h, "/plan?"+form.Encode()); !strings.Contains(text, `role="tree"`) {
		t.Errorf("it is not open:\n%s", text)
	}
}
