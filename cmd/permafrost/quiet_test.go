package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// stay are commands that run until they are stopped, or wait for others. Those with a result have
// --json too: their own tests hold it.
var stay = []string{"serve", "ui", "worker", "federate server", "federate client"}

// leaves are the commands that do something by themselves.
func leaves(cmd *cobra.Command) []string {
	if !cmd.HasAvailableSubCommands() {
		return []string{strings.TrimPrefix(cmd.CommandPath(), "permafrost ")}
	}
	var out []string
	if cmd.Name() == "search" {
		out = append(out, "search")
	}
	for _, c := range cmd.Commands() {
		if c.Name() != "help" && c.Name() != "completion" {
			out = append(out, leaves(c)...)
		}
	}
	return out
}

// TestJSONAndQuiet: with --json every command prints one JSON object on stdout and nothing else
// there, and with --quiet nothing on stderr but an error.
func TestJSONAndQuiet(t *testing.T) {
	if testing.Short() {
		t.Skip("runs every command")
	}
	world(t)
	t.Setenv("PERMAFROST_CACHE", "kept")
	succeed(t, "fit", "--model", "tiny.onnx", "--data", "photos", "--out", "run", "--epochs", "1", "--cache", "disk")
	writeLine(t)
	recordLine(t, "case", tensor.Of([]float32{1, 2}, 1, 2), tensor.Of([]float32{3, 5}, 1, 2))
	stateDictOf(t, "tiny.onnx", "tiny.safetensors", "", nil)
	fit := []string{"--model", "tiny.onnx", "--data", "photos", "--epochs", "1"}
	commands := []struct {
		name string
		args []string
	}{
		{"advise", []string{"--model", "tiny.onnx", "--data", "photos"}},
		{"blocks", []string{"tiny.onnx"}}, // which a test adds
		{"bench", []string{"tiny.onnx", "--steps", "1", "--batch", "1"}},
		{"cache ls", nil},
		{"cache verify", nil},
		{"cache prune", []string{"--older", "30d"}},
		{"compare", append([]string{"--plan", "head=head", "--seeds", "1"}, fit...)},
		{"delta extract", []string{"tiny.onnx", "run/model.onnx", "OUT.safetensors"}},
		{"delta apply", []string{"tiny.onnx", "run/delta.safetensors", "OUT.onnx"}},
		{"demo", []string{"--out", "OUT"}},
		{"eval", []string{"--model", "run/model.onnx", "--data", "photos"}},
		{"export", []string{"run/model.onnx", "--out", "OUT.safetensors"}},
		{"federate simulate", append([]string{"--val", "photos/val", "--clients", "2", "--rounds", "1", "--min-clients", "1", "--out", "OUT"}, fit...)},
		{"federate show", []string{"federation"}},
		{"fit", append([]string{"--out", "OUT"}, fit...)},
		{"import", []string{"tiny.safetensors", "--model", "tiny.onnx", "--out", "OUT.onnx"}},
		{"inspect", []string{"tiny.onnx"}},
		{"predict", []string{"--model", "run/model.onnx", "photos/val/red/00.png"}},
		{"push", []string{"run", "--out", "OUT"}},
		{"rank", []string{"--data", "photos", "tiny.onnx"}},
		{"report", []string{"run", "run", "--out", "OUT.html"}},
		{"run", []string{"line.onnx", "--data-set", "case"}},
		{"runs", []string{"."}},
		{"search", append([]string{"--trials", "2", "--out", "OUT"}, fit[:4]...)},
		{"search ls", []string{"."}},
		{"search show", []string{"searched"}},
		{"verify", []string{"tiny.onnx", "run/model.onnx"}},
		{"version", nil},
	}
	succeed(t, append([]string{"federate", "simulate", "--val", "photos/val", "--clients", "2", "--rounds", "1", "--min-clients", "1", "--out", "federation"}, fit...)...)
	succeed(t, append([]string{"search", "--trials", "2", "--out", "searched"}, fit[:4]...)...)
	names := slices.Clone(stay)
	for _, c := range commands {
		names = append(names, c.name)
		args := strings.Fields(c.name)
		for _, a := range c.args {
			args = append(args, strings.ReplaceAll(a, "OUT", strings.ReplaceAll(c.name, " ", "-")))
		}
		if o := permafrostRun(t, append(args, "--json", "--quiet")...); o.code != exitDone || o.stderr != "" {
			t.Errorf("%s --json --quiet: exit %d, stderr %q", c.name, o.code, o.stderr)
		} else {
			object(t, o)
		}
	}
	for _, name := range leaves(newRoot("")) {
		if !slices.Contains(names, name) {
			t.Errorf("this test does not know the command %s", name)
		}
	}
	if o := permafrostRun(t, "fit", "--quiet", "--model", "missing.onnx", "--data", "photos"); o.code != exitUsage || strings.Count(o.stderr, "\n") != 1 {
		t.Errorf("an error is not told: exit %d, %q", o.code, o.stderr)
	}
}
