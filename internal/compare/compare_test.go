package compare

import (
	"bytes"
	"context"
	"image/png"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/fixture"
)

func common(t *testing.T) config.Config {
	t.Helper()
	dir := t.TempDir()
	c := config.DefaultConfig()
	c.Model, c.Data, c.Cache = filepath.Join(dir, "tiny.onnx"), filepath.Join(dir, "photos"), "off"
	c.Epochs, c.Batch = 2, 8
	if err := fixture.WriteModel(c.Model, 3, 1); err != nil {
		t.Fatal(err)
	}
	for i, part := range []string{"train", "val"} {
		if err := fixture.WritePictures(filepath.Join(c.Data, part), 6, 3, uint64(i+1)); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func TestParse(t *testing.T) {
	c := config.DefaultConfig()
	c.Model, c.Data = "m.onnx", "photos"
	p, err := Parse("deep=head,last:2@lr=0.001, epochs=5,lr_schedule=constant", c)
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "deep" || p.Config.Thaw[0] != "head,last:2" || p.Config.LR != 0.001 || p.Config.Epochs != 5 || p.Config.LRSchedule != "constant" {
		t.Errorf("%+v", p)
	}
	for text, want := range map[string]string{
		"head,last:2":       "want NAME=SELECTORS",
		"=head":             "want NAME=SELECTORS",
		"a=":                "name what trains",
		"a=head@lr":         "lr has no value",
		"a=head@speed=3":    `"speed" is no option`,
		"a=head@epochs=few": "epochs",
		"a=head@seed=3":     "the same for all plans",
		"a=head@keep=worst": "keep",
		"a=head@thaw=all":   `"thaw" is no option`,
	} {
		if _, err := Parse(text, c); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// TestPlans: the head and full fine-tuning are always among the plans, unless a plan goes by their
// name.
func TestPlans(t *testing.T) {
	c := config.DefaultConfig()
	c.Model, c.Data = "m.onnx", "photos"
	names := func(texts ...string) string {
		plans, err := Plans(texts, c)
		if err != nil {
			return err.Error()
		}
		var out []string
		for _, p := range plans {
			out = append(out, p.Name+":"+p.Config.Thaw[0])
		}
		return strings.Join(out, " ")
	}
	for _, test := range []struct {
		texts []string
		want  string
	}{
		{[]string{"a=last:1"}, "head:head a:last:1 full:all"},
		{[]string{"full=all@lr=1e-5", "a=last:1"}, "head:head full:all a:last:1"},
		{[]string{"a=last:1", "a=all"}, "option plan a: two plans have this name"},
	} {
		if got := names(test.texts...); got != test.want {
			t.Errorf("%v: %s, want %s", test.texts, got, test.want)
		}
	}
}

// TestRun: every plan is fitted with every seed, the same again, and the numbers of a row are those
// of its fits.
func TestRun(t *testing.T) {
	plans, err := Plans([]string{"last=head,last:1@lr=0.01"}, common(t))
	if err != nil {
		t.Fatal(err)
	}
	fits := 0
	o := Options{Plans: plans, Seed: 3, Seeds: 2, Progress: func(string, Fit) { fits++ }}
	c, err := Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if fits != 12 || len(c.Plans) != 3 || c.Train != 18 || c.Val != 18 || c.Metric != "accuracy" {
		t.Fatalf("%d fits, %+v", fits, c)
	}
	for i, r := range c.Plans {
		if len(r.Fits) != 2 || r.Fits[0].Seed != 3 || r.Fits[1].Seed != 4 || r.Bytes <= 0 || r.Params <= 0 {
			t.Errorf("%+v", r)
		}
		if mean := (r.Fits[0].Val + r.Fits[1].Val) / 2; r.Mean != mean || math.Abs(r.Gap-(r.Train-mean)) > 1e-12 {
			t.Errorf("%s: mean %g and gap %g of %+v", r.Name, r.Mean, r.Gap, r.Fits)
		}
		if (r.Name == Full) != (r.Full == nil) || (r.Name == c.Best) != (r.Best == nil) {
			t.Errorf("%s is compared with itself, or not with others: %+v", r.Name, r)
		}
		if b := again.Plans[i]; b.Mean != r.Mean || b.Std != r.Std || b.Train != r.Train {
			t.Errorf("%s: again %g +- %g, before %g +- %g", r.Name, b.Mean, b.Std, r.Mean, r.Std)
		}
	}
	if c.Plans[0].Params >= c.Plans[1].Params || c.Plans[1].Params >= c.Plans[2].Params || c.Plans[0].Bytes >= c.Plans[2].Bytes {
		t.Errorf("deeper plans do not train more: %+v", c.Plans)
	}
	b, err := c.PNG()
	if err != nil {
		t.Fatal(err)
	}
	if m, err := png.Decode(bytes.NewReader(b)); err != nil || m.Bounds().Dx() < 400 {
		t.Errorf("picture: %v", err)
	}
}

// TestRunNamesBadPlanFirst: a plan that the model does not have is named before anything is fitted.
func TestRunNamesBadPlanFirst(t *testing.T) {
	plans, err := Plans([]string{"odd=nosuch"}, common(t))
	if err != nil {
		t.Fatal(err)
	}
	fits := 0
	_, err = Run(context.Background(), Options{Plans: plans, Seeds: 1, Progress: func(string, Fit) { fits++ }})
	if err == nil || !strings.HasPrefix(err.Error(), "plan odd: ") || fits != 0 {
		t.Errorf("after %d fits: %v", fits, err)
	}
}

// TestPairedT checks the test against numbers of R: t.test(c(1,2,3,4)) has p = 0.0305.
func TestPairedT(t *testing.T) {
	mean, std := meanStd([]float64{1, 2, 3, 4})
	if p := pairedT(mean, std, 4); p == nil || math.Abs(*p-0.03047) > 1e-4 {
		t.Errorf("p %v", p)
	}
	if p := pairedT(0, 1, 9); p == nil || math.Abs(*p-1) > 1e-12 {
		t.Errorf("no difference has p %v", p)
	}
	for _, p := range []*float64{pairedT(1, 0, 3), pairedT(1, 0, 1), pairedT(math.Inf(-1), math.NaN(), 3)} {
		if p != nil {
			t.Errorf("p %g where there is none", *p)
		}
	}
}
