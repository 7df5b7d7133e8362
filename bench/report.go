package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// write keeps the results and draws the report from them.
func (b *bench) write() error {
	if err := os.MkdirAll(b.out, 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(b.results, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(b.out, "benchmarks.json"), append(text, '\n'), 0o644); err != nil {
		return err
	}
	accuracy, err := filepath.Rel(b.out, filepath.Join("docs", "accuracy.md")) // reports of other machines stand deeper
	if err != nil {
		accuracy = "accuracy.md"
	}
	if err := os.WriteFile(filepath.Join(b.out, "benchmarks.md"), []byte(b.results.markdown(accuracy)), 0o644); err != nil {
		return err
	}
	if err := b.results.drawRatios(filepath.Join(b.out, "benchmarks.png")); err != nil {
		return err
	}
	return b.results.drawCurves(filepath.Join(b.out, "benchmarks-growth.png"))
}

// intro says how a section was measured.
var intro = map[string]string{
	"forward": "The whole network as inference, on made-up inputs. Ratio: ONNX Runtime's time over ours.",
	"small":   "The whole network as inference, on one example of what its authors publish with it: here the cost of handing work\nto a second thread shows. Ratio: ONNX Runtime's time over ours.",
	"step":    "Forward pass, loss, backward pass and AdamW, with batch norm on batch statistics. Every weight is thawed unless the row\nsays otherwise. Ratio: the time of PyTorch's better mode over ours.",
	"jobs":    "From the start of the process to its end: read the model, decode and resize the pictures, train, validate after\nevery epoch, write. Ratio: the time of PyTorch's better mode over ours; of a run again, that of our first run.",
	"speech":  "From the start of the process to its end. Ratio: PyTorch's time over ours.",
	"memory":  "Largest resident memory of the process over one epoch, batch 32. Ratio: ours over that of PyTorch's better mode.",
	"gemm":    "Percent of the multiply-add peak, measured on the same threads.",
}

// markdown is the report, with a link to the page on accuracy.
func (r *results) markdown(accuracy string) string {
	var s strings.Builder
	s.WriteString("# Benchmarks\n\nMeasured by `go run ./bench` on " + r.Machine + ".\n\n- Programs take turns, each in its own process. Numbers are medians over the rounds.\n- A bar is the value that we require; it is met or missed. An aim is the next goal.\n- [accuracy.md](" + filepath.ToSlash(accuracy) + ") compares results with the same peers.\n\nVersions:\n\n")
	for _, v := range r.Versions {
		s.WriteString("- " + v + "\n")
	}
	if len(r.Sections) > 0 {
		s.WriteString("\n![Ratios](benchmarks.png)\n")
	}
	for _, part := range sections {
		rows := r.Sections[part.name]
		if len(rows) == 0 {
			continue
		}
		fmt.Fprintf(&s, "\n## %s\n\n%s\n\n", part.title, intro[part.name])
		table(&s, rows)
	}
	if len(r.Curves) > 0 {
		s.WriteString("\n## Cost as work grows\n\nPermafrost alone: resnet18 on 128 made-up pictures of 64 pixels in batches of 16, unless the table says otherwise.\n\n![Growth](benchmarks-growth.png)\n")
		for _, c := range r.Curves {
			fmt.Fprintf(&s, "\n| %s |", c.X)
			for _, p := range c.Points {
				fmt.Fprintf(&s, " %g |", p[0])
			}
			s.WriteString("\n|---|" + strings.Repeat("---|", len(c.Points)) + "\n| " + c.Y + " |")
			for _, p := range c.Points {
				fmt.Fprintf(&s, " %s |", figures(p[1]))
			}
			s.WriteString("\n")
		}
	}
	if len(r.Commands) > 0 {
		s.WriteString("\n## Commands\n\n```\n" + strings.Join(r.Commands, "\n") + "\n```\n")
	}
	return s.String()
}

// table has a column for every contender of the rows and one for the ratio and its bar.
func table(s *strings.Builder, rows []row) {
	seen := map[string]bool{}
	for _, w := range rows {
		for name := range w.Values {
			seen[name] = true
		}
	}
	names := slices.SortedFunc(maps.Keys(seen), func(a, b string) int {
		if p, q := strings.HasPrefix(a, "Permafrost"), strings.HasPrefix(b, "Permafrost"); p != q {
			if p {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	s.WriteString("| | " + strings.Join(names, " | ") + " | ratio | bar | | rounds |\n|---|" + strings.Repeat("---|", len(names)+4) + "\n")
	for _, w := range rows {
		fmt.Fprintf(s, "| %s |", w.Name)
		for _, n := range names {
			if v, ok := w.Values[n]; ok {
				fmt.Fprintf(s, " %s %s |", figures(v), w.Unit)
			} else {
				s.WriteString(" |")
			}
		}
		score := ""
		if v := w.score(); w.Against != "" && !math.IsNaN(v) {
			score = figures(v)
		}
		verdict := ""
		switch {
		case math.IsNaN(w.score()), w.bar() == "":
		case w.met():
			verdict = "met"
		default:
			verdict = "missed"
		}
		rounds := ""
		if w.Rounds > 0 {
			rounds = strconv.Itoa(w.Rounds)
		}
		fmt.Fprintf(s, " %s | %s | %s | %s |\n", score, w.bar(), verdict, rounds)
	}
}

// figures is v with three significant figures, all digits before the point kept.
func figures(v float64) string {
	if math.Abs(v) >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}
