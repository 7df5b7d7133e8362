package demo

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/inspect"
	"github.com/permafrost-ml/permafrost/internal/run"
)

func (t *teller) tell(format string, args ...any) { fmt.Fprintf(t.w, format, args...) }

func heading(s string) string { return s + "\n" + strings.Repeat("-", len(s)) }

// table aligns rows whose cells are separated by tabs.
func (t *teller) table(rows ...string) {
	w := tabwriter.NewWriter(t.w, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintf(w, "  %s\n", r)
	}
	_ = w.Flush()
}

func cells(c ...string) string { return strings.Join(c, "\t") }

func (t *teller) tellMaterials() {
	t.tell("A small network that knows Latin letters learns other alphabets from a handful of pictures.\n\n")
	t.tell("%s\n", heading("Model and data"))
	rows := []string{
		cells("letters.onnx", fmt.Sprintf("%s, pretrained on Latin letters drawn with the Go fonts", bytesText(int64(len(Model))))),
		cells("", fmt.Sprintf("names %s of %d fresh ones rightly", percent(t.Base.Accuracy), t.Base.Examples)),
	}
	for _, a := range t.alphabets {
		rows = append(rows, cells(a.Name+"/", fmt.Sprintf("%d letters it has never seen, %d pictures of each to learn from, %d to test by: guessing gives %s",
			len(a.Letters), t.learn, t.val, percent(1/float64(len(a.Letters))))))
	}
	t.table(rows...)
	t.tell("\n")
}

// tellPlan shows a row for each block of the network with its state under every plan, and what
// every plan comes to.
func (t *teller) tellPlan() {
	t.tell("%s\n", heading("What each plan freezes"))
	rows := []string{cells(append([]string{"block", "layers", "parameters"}, thaws...)...)}
	for _, b := range blocks(t.plans[0].Layers) {
		row := []string{b.name, strings.Join(b.layers, " "), thousands(b.params)}
		for _, in := range t.plans {
			row = append(row, stateOf(in.Layers, b.name))
		}
		rows = append(rows, cells(row...))
	}
	t.table(rows...)
	t.tell("\nThe frontier is where frozen work ends. What comes out there is computed once for each picture and kept.\n")
	rows = []string{cells("--thaw", "trains", "frontier", "kept a picture", "training memory")}
	for i, in := range t.plans {
		p := in.Predicted
		rows = append(rows, cells(thaws[i], fmt.Sprintf("%s of %s parameters", thousands(in.ParamsThawed), thousands(in.ParamsTotal)),
			strings.Join(in.Frontier, " "), bytesText(p.CachePerExample), bytesText(p.TrainBytes)))
	}
	t.table(rows...)
	t.tell("\n")
}

type block struct {
	name   string
	layers []string
	params int
}

// blockName is the block of a layer. A stem of single layers, which count as a block under the name
// of the first, goes by the stem's name.
func blockName(l inspect.Layer) string {
	if stem, layer, _ := strings.Cut(l.Name, "."); !strings.Contains(layer, ".") && l.Block != "head" {
		return stem
	}
	return l.Block
}

func blocks(layers []inspect.Layer) []block {
	var out []block
	for _, l := range layers {
		name := blockName(l)
		i := slices.IndexFunc(out, func(b block) bool { return b.name == name })
		if i < 0 {
			i = len(out)
			out = append(out, block{name: name})
		}
		out[i].layers = append(out[i].layers, strings.TrimPrefix(l.Name, name+"."))
		out[i].params += l.Params
	}
	return out
}

// stateOf is what a plan does with a block.
func stateOf(layers []inspect.Layer, block string) string {
	var state freeze.State
	for _, l := range layers {
		if blockName(l) != block {
			continue
		}
		if state != "" && state != l.State {
			return string(freeze.Partly)
		}
		state = l.State
	}
	return string(state)
}

func (t *teller) tellTable() {
	t.tell("%s\n", heading("Results"))
	rows := []string{cells("alphabet", "--thaw", "accuracy", "time", "training memory", "parameters trained")}
	for _, r := range t.Runs {
		rows = append(rows, cells(r.Alphabet, r.Thaw, percent(r.ValAccuracy), secondsText(r.Seconds), bytesText(r.TrainBytes),
			fmt.Sprintf("%s (%s)", thousands(r.ParamsThawed), percent(float64(r.ParamsThawed)/float64(r.ParamsTotal)))))
	}
	t.table(rows...)
	t.tell("\nIn the mean %s\n\n", t.comparison())
}

// comparison sets the plan before the last against the last, training everything.
func (t *teller) comparison() string {
	few, all := len(thaws)-2, len(thaws)-1
	var points, time [2]float64
	for i := range t.alphabets {
		for k, plan := range []int{few, all} {
			r := t.Runs[i*len(thaws)+plan]
			points[k] += 100 * r.ValAccuracy / float64(len(t.alphabets))
			time[k] += r.Seconds
		}
	}
	how := "above"
	d := points[0] - points[1]
	if d < 0 {
		how, d = "below", -d
	}
	return fmt.Sprintf("--thaw %s ends %.1f points %s --thaw %s, in %.0f%% of its time.", thaws[few], d, how, thaws[all], 100*time[0]/time[1])
}

func (t *teller) tellProof() {
	t.tell("%s\n", heading("Proof that frozen weights are untouched"))
	var rows []string
	for _, r := range t.Runs {
		verdict := "every byte as in letters.onnx"
		switch {
		case r.Frozen == 0:
			verdict = "nothing was frozen"
		case !r.Identical:
			verdict = "CHANGED: " + strings.Join(r.Changed, " ")
		}
		rows = append(rows, cells(t.relative(r.Out), fmt.Sprintf("%d frozen tensors", r.Frozen), verdict))
	}
	rows = append(rows, cells("tampered.onnx", "one bit flipped", "verify names "+strings.Join(t.Tamper.Changed, " ")))
	t.table(rows...)
	t.tell("\n")
}

func (t *teller) tellEnd() {
	t.tell("%s\n", heading("Next"))
	last := t.Runs[len(t.Runs)-2]
	first := t.alphabets[len(t.alphabets)-1]
	sample := filepath.Join(first.Name, "val", first.Letters[0].Name, "000.png")
	t.tell("Everything is in %s, with a picture of it all in %s. It took %s and at most %s of memory.\n\n", t.Out, pictureFile, secondsText(t.Seconds), bytesText(t.PeakRSS))
	t.tell("  cd %s\n", t.Out)
	for _, c := range []string{
		fmt.Sprintf("inspect %s --thaw last:1", modelFile),
		fmt.Sprintf("fit --model %s --data %s --thaw last:2 --epochs 30 --lr 0.003", modelFile, first.Name),
		fmt.Sprintf("predict --model %s %s", filepath.Join(t.relative(last.Out), run.ModelFile), sample),
		fmt.Sprintf("verify %s tampered.onnx", modelFile),
		fmt.Sprintf("delta extract %s %s letters.delta", modelFile, filepath.Join(t.relative(last.Out), run.ModelFile)),
	} {
		t.tell("  permafrost %s\n", c)
	}
}

// relative is a path within the folder of the demonstration.
func (t *teller) relative(path string) string {
	if r, err := filepath.Rel(t.Out, path); err == nil {
		return r
	}
	return path
}

// runName is a selector as part of a file name.
func runName(thaw string) string { return strings.ReplaceAll(thaw, ":", "-") }

func percent(v float64) string { return fmt.Sprintf("%.1f%%", 100*v) }

func secondsText(s float64) string { return fmt.Sprintf("%.1f s", s) }

func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func bytesText(n int64) string {
	switch v := float64(n); {
	case v < 1<<10:
		return fmt.Sprintf("%d B", n)
	case v < 1<<20:
		return fmt.Sprintf("%.1f KiB", v/(1<<10))
	default:
		return fmt.Sprintf("%.1f MiB", v/(1<<20))
	}
}
