package main

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/fixture"
)

// table reads a CSV file by its columns.
func table(t *testing.T, path string) (columns []string, rows []map[string]string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil || len(all) == 0 {
		t.Fatalf("%s: %v", path, err)
	}
	for _, line := range all[1:] {
		row := map[string]string{}
		for i, name := range all[0] {
			row[name] = line[i]
		}
		rows = append(rows, row)
	}
	return all[0], rows
}

// TestEvalErrors: the examples with a wrong answer are those that the accuracy counts, worst first.
func TestEvalErrors(t *testing.T) {
	world(t)
	succeed(t, "fit", "--model", "tiny.onnx", "--data", "photos", "--out", "run", "--epochs", "2")
	// a picture of another colour among those of a class
	b, err := os.ReadFile("photos/val/blue/00.png")
	if err != nil {
		t.Fatal(err)
	}
	write(t, "photos/val/red/99.png", b)
	o := succeed(t, "eval", "--model", "run/model.onnx", "--data", "photos", "--errors", "errors.csv", "--outcomes", "all.csv", "--json")
	v := object(t, o)
	wantKeys(t, v, "accuracy", "loss", "classes", "confusion", "per_class", "confused")

	columns, mistakes := table(t, "errors.csv")
	if want := []string{"input", "label", "predicted", "label_probability", "probability", "loss"}; !slices.Equal(columns, want) {
		t.Errorf("columns %v, want %v", columns, want)
	}
	_, all := table(t, "all.csv")
	if examples := int(v["examples"].(float64)); len(all) != examples || examples != 13 {
		t.Errorf("%d rows for %d examples, want 13", len(all), examples)
	}
	wrong := int((1-v["accuracy"].(float64))*13 + 0.5)
	if wrong == 0 || len(mistakes) != wrong {
		t.Fatalf("%d mistakes listed, the accuracy counts %d", len(mistakes), wrong)
	}
	if !slices.ContainsFunc(mistakes, func(r map[string]string) bool {
		return r["input"] == filepath.Join("photos", "val", "red", "99.png") && r["label"] == "red"
	}) {
		t.Errorf("the picture in the wrong folder is not listed: %v", mistakes)
	}
	var sum float64
	last := 1e9
	for _, r := range all {
		loss, err := strconv.ParseFloat(r["loss"], 64)
		if err != nil || loss > last {
			t.Errorf("%v: %v, losses are not in order", r, err)
		}
		last, sum = loss, sum+loss
	}
	if mean := sum / 13; mean-v["loss"].(float64) > 1e-4 || v["loss"].(float64)-mean > 1e-4 {
		t.Errorf("mean of the losses %v, loss %v", mean, v["loss"])
	}

	red := v["per_class"].([]any)[2].(map[string]any)
	if red["class"] != "red" || red["examples"] != 5.0 || red["recall"].(float64) > 0.8 {
		t.Errorf("per class: %v", red)
	}
	o = succeed(t, "eval", "--model", "run/model.onnx", "--data", "photos")
	for _, want := range []string{"precision", "confused most often", "red taken for blue: "} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("no %q in\n%s", want, o.stdout)
		}
	}
}

// TestEvalErrorsOfTasks goes through the tasks whose answers are no classes.
func TestEvalErrorsOfTasks(t *testing.T) {
	world(t)
	for _, c := range []struct {
		task    string
		column  string
		answers []string
		columns []string
	}{
		{"multilabel", "label", []string{"cold", "warm|old", "warm"}, []string{"input", "label", "predicted", "label_probability", "probability", "loss"}},
		{"regress", "label", []string{"1.5", "2.5", "9.25"}, []string{"input", "label", "predicted", "residual", "loss"}},
	} {
		if err := fixture.WriteAnswers("photos", c.task, c.column, c.answers); err != nil {
			t.Fatal(err)
		}
		absolute(t, c.task)
		succeed(t, "fit", "--model", "tiny.onnx", "--data", c.task, "--out", c.task+"-run", "--epochs", "1", "--task", c.task)
		v := object(t, succeed(t, "eval", "--model", c.task+"-run/model.onnx", "--data", c.task, "--errors", c.task+".csv", "--outcomes", "all.csv", "--json"))
		columns, mistakes := table(t, c.task+".csv")
		_, all := table(t, "all.csv")
		if !slices.Equal(columns, c.columns) || len(all) != 12 {
			t.Errorf("%s: columns %v, %d rows", c.task, columns, len(all))
		}
		if o := succeed(t, "eval", "--model", c.task+"-run/model.onnx", "--data", c.task, "--errors", "again.csv"); c.task == "regress" && !strings.Contains(o.stdout, "12 examples with their residuals in again.csv") {
			t.Errorf("%s: %s", c.task, o.stdout)
		}
		if c.task == "regress" && len(mistakes) != 12 {
			t.Errorf("regress: %d of 12 residuals", len(mistakes))
		}
		if _, ok := v["per_class"]; ok != (c.task == "multilabel") {
			t.Errorf("%s: per_class %v", c.task, v["per_class"])
		}
		for _, r := range mistakes {
			if r["label"] == r["predicted"] {
				t.Errorf("%s: no mistake: %v", c.task, r)
			}
		}
	}
}

// absolute makes the paths in the tables of a folder absolute: they are relative to the table.
func absolute(t *testing.T, dir string) {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"train.csv", "val.csv"} {
		b, err := os.ReadFile(filepath.Join(dir, part))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, part), []byte(strings.ReplaceAll(string(b), "photos"+string(filepath.Separator), filepath.Join(here, "photos")+string(filepath.Separator))))
	}
}

// TestEvalErrorsOfTexts: a text stands beside its row.
func TestEvalErrorsOfTexts(t *testing.T) {
	t.Setenv("PERMAFROST_CACHE", "off")
	t.Chdir(t.TempDir())
	for _, dir := range []string{"texts", "prose"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := fixture.WriteTextModel("text.onnx", true, 1); err != nil {
		t.Fatal(err)
	}
	if err := fixture.WriteTexts("texts", 8, 1); err != nil {
		t.Fatal(err)
	}
	if err := fixture.WriteLanguageModel("story.onnx", 1); err != nil {
		t.Fatal(err)
	}
	if err := fixture.WriteProse("prose", 20, 1); err != nil {
		t.Fatal(err)
	}
	succeed(t, "fit", "--model", "text.onnx", "--data", "texts", "--out", "run", "--epochs", "1")
	succeed(t, "eval", "--model", "run/model.onnx", "--data", "texts", "--outcomes", "all.csv")
	columns, rows := table(t, "all.csv")
	if !slices.Equal(columns[:3], []string{"input", "text", "label"}) || len(rows) == 0 || !strings.HasPrefix(rows[0]["input"], filepath.Join("texts", "val.csv")+":") || rows[0]["text"] == "" {
		t.Errorf("columns %v, first row %v", columns, rows[0])
	}
	succeed(t, "fit", "--model", "story.onnx", "--data", "prose", "--task", "lm", "--out", "lm", "--epochs", "1", "--thaw", "last:1")
	o := permafrostRun(t, "eval", "--model", "lm/model.onnx", "--data", "prose", "--errors", "lm.csv")
	if _, err := os.Stat("lm.csv"); o.code != exitUsage || !strings.Contains(o.stderr, "--errors") || err == nil {
		t.Errorf("a language model: exit %d, %s", o.code, o.stderr)
	}
}

// TestEvalSplit: what a fit leaves for eval is what eval measures, and it says so.
func TestEvalSplit(t *testing.T) {
	world(t)
	succeed(t, "fit", "--model", "tiny.onnx", "--data", "photos", "--out", "run", "--epochs", "1")
	eval := func(data, split, text string, examples float64) {
		t.Helper()
		args := []string{"eval", "--model", "run/model.onnx", "--data", data}
		if e := object(t, succeed(t, append(args, "--json")...)); e["split"] != split && (split != "" || e["split"] != nil) || e["examples"] != examples {
			t.Errorf("%s: split %v of %v examples, want %q of %v", data, e["split"], e["examples"], split, examples)
		}
		if o := succeed(t, args...); !strings.Contains(o.stdout, text) || (split != "") != strings.Contains(o.stderr, "measuring on "+split) {
			t.Errorf("%s: want %q in\n%s%s", data, text, o.stdout, o.stderr)
		}
	}
	entries, err := filepath.Glob("photos/val/*/*")
	if err != nil {
		t.Fatal(err)
	}
	n := float64(len(entries))
	eval("photos", "val", " validation examples, ", n)
	eval("photos/val", "", strconv.Itoa(len(entries))+" examples, ", n)
	if err := os.CopyFS("photos/test", os.DirFS("photos/val")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join("photos/test", strings.TrimPrefix(entries[0], "photos/val"))); err != nil {
		t.Fatal(err)
	}
	eval("photos", "test", " test examples, ", n-1)
}
