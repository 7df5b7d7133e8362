package feed

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/data/picture"
	"github.com/permafrost-ml/permafrost/internal/fixture/shared"
	"github.com/permafrost-ml/permafrost/internal/onnx"
)

// What models from elsewhere are fed, as the model itself tells it.
func TestPicturesOfTheWorld(t *testing.T) {
	for _, c := range []struct {
		path     []string
		layout   string
		channels int
		preset   string
	}{
		{[]string{"world-models", "u8-nhwc", "model.onnx"}, picture.ChannelsLast, 3, "raw"},
		{[]string{"world-models", "mlsd", "model.onnx"}, picture.ChannelsLast, 4, "raw"},
		{[]string{"world-models", "blazeface", "model.onnx"}, picture.ChannelsLast, 3, ""},
		{[]string{"world-models", "mnist-cntk", "model.onnx"}, picture.ChannelsFirst, 1, "raw"},
		{[]string{"world-models", "squeezenet-fp16", "model.onnx"}, picture.ChannelsFirst, 3, ""},
		{[]string{"world-models", "yolox_nano", "model.onnx"}, picture.ChannelsFirst, 3, ""},
		{[]string{"world-models", "ppocr-cls", "model.onnx"}, picture.ChannelsFirst, 3, ""},
		{[]string{"cases", "pictures-nhwc", "open.onnx"}, picture.ChannelsLast, 3, ""},
		{[]string{"cases", "pictures-nhwc", "shape-nhwc.onnx"}, picture.ChannelsLast, 3, ""},
	} {
		m, err := onnx.Open(shared.Path(t, c.path...))
		if err != nil {
			t.Fatal(err)
		}
		in, err := PictureInput(m, "", "")
		if err != nil {
			t.Errorf("%v: %v", c.path, err)
			continue
		}
		preset, why := expects(m, in)
		if in.Layout != c.layout || in.Channels != c.channels || preset != c.preset {
			t.Errorf("%v: %d channels, %s (%s), preset %q (%s), want %d, %s, %q", c.path, in.Channels, in.Layout, in.Why, preset, why, c.channels, c.layout, c.preset)
		}
	}
}

// The keys of a preprocessor file beside a model change the values that it gets.
func TestPreprocessorKeysOfTheWorld(t *testing.T) {
	for name, want := range map[string][2]float64{
		"plain": {0, 1}, "flip": {0, 1}, "offset": {-1, 1}, "top": {-0.485 / 0.229 / 0.229, (1 - 0.406) / 0.225 / 0.225},
	} {
		m, err := onnx.Open(shared.Path(t, "cases", "preprocessor-keys", name+".onnx"))
		if err != nil {
			t.Fatal(err)
		}
		f, err := Of(m, Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		p := f.(*Pictures)
		least, most := p.Range()
		if math.Abs(float64(least)-want[0]) > 1e-4 || math.Abs(float64(most)-want[1]) > 1e-4 || p.Flip != (name == "flip") {
			t.Errorf("%s: values %g to %g, flipped %v, want %v", name, least, most, p.Flip, want)
		}
		if note := strings.Join(f.Notes(), "\n"); !strings.Contains(note, "by "+name+".preprocessor.json") || !strings.Contains(note, "blue, green, red") != (name != "flip") {
			t.Errorf("%s: %q", name, note)
		}
	}
	if file := FindPreprocess(filepath.Join(t.TempDir(), "m.onnx")); file != "" {
		t.Errorf("%s belongs to no model", file)
	}
}
