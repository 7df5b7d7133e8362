package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/fixture"
)

// TestIdleOptions: an option that changes nothing in this fit is said once, by its flag.
func TestIdleOptions(t *testing.T) {
	world(t)
	if err := fixture.WriteModel("three.onnx", 3, 1); err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--thaw", "none"}, "--thaw none: the new head trains all the same"},
		{[]string{"--start", "probe"}, "--start probe does nothing"},
		{[]string{"--layer-decay", "0.5"}, "--layer-decay 0.5 does nothing"},
		{[]string{"--rates", "auto-rgn"}, "--rates auto-rgn does nothing"},
		{[]string{"--l2-sp", "0.5"}, "--l2-sp 0.5 decays to 0"},
		{[]string{"--wise-ft", "0.5"}, "--wise-ft 0.5 does nothing"},
		{[]string{"--cache-variants", "2"}, "--cache-variants 2 does nothing"},
		{[]string{"--average", "swa"}, "--average swa does nothing"},
		{[]string{"--lr-mult", "blocks.*=0.5"}, "--lr-mult blocks.*=0.5 does nothing"},
		{[]string{"--batch", "1000"}, "--batch 1000 is more than the 24 training examples"},
		{[]string{"--accumulate", "40"}, "--accumulate 40 is more than the 1 batches of an epoch"},
		{[]string{"--warmup", "40"}, "--warmup 40 takes all 1 steps"},
		{[]string{"--patience", "9"}, "--patience 9 does nothing in 1 epoch"},
		{[]string{"--group", "(.*)"}, "--group (.*) does nothing: no training examples are held out"},
		{[]string{"--freeze", "last:1"}, "--freeze last:1 does nothing"},
		{[]string{"--thaw", "last:1,head", "--freeze", "last:2"}, "--freeze last:2 takes away all that --thaw last:1,head names before the head"},
		{[]string{"--thaw", "last:1,!first:1"}, "--thaw: !first:1 takes nothing away"},
		{[]string{"--cache", "off", "--epochs", "3"}, "--cache off computes the whole frozen part again in each of 3 epochs"},
		{[]string{"--cache", "off", "--augment", "flip", "--cache-variants", "3"}, "--cache-variants 3 saves nothing: --cache is off"},
		{[]string{"--freeze", "head"}, "--freeze head does nothing: a new head always trains; --head keep keeps the model's own"},
		{[]string{"--thaw", "all,!head"}, "--thaw: !head takes nothing away: a new head always trains"},
		{[]string{"--thaw", "last:1,!last:1"}, "--thaw last:1,!last:1 takes away all that it names before the head"},
		{[]string{"--thaw", "kind:bias"}, "--thaw: kind:bias names nothing before the head"},
		{[]string{"--adapter", "lora:2", "--thaw", "all,!kind:adapter"}, "!kind:adapter takes nothing away: adapters always train"},
		{[]string{"--batchnorm", "frozen"}, "--batchnorm frozen does nothing: no batch normalisation trains"},
		{[]string{"--class-weights", "balanced"}, "--class-weights balanced does nothing: each class has 8 training examples"},
		{[]string{"--cache", "off", "--cache-budget", "1GiB"}, "--cache-budget 1GiB does nothing"},
		{[]string{"--cache", "off", "--cache-precision", "float16"}, "--cache-precision float16 does nothing"},
		{[]string{"--head-activation", "gelu"}, "--head-activation gelu does nothing: head linear has no hidden layer"},
		{[]string{"--head-dropout", "0.5", "--head", "keep", "--model", "three.onnx"}, "--head-dropout 0.5 does nothing"},
		{[]string{"--pool", "max", "--head", "keep", "--model", "three.onnx"}, "--pool max does nothing"},
	} {
		name := strings.Join(c.args, " ")
		o := permafrostRun(t, append([]string{"fit", "--model", "tiny.onnx", "--data", "photos", "--out", fmt.Sprint("run", i), "--epochs", "1"}, c.args...)...)
		if o.code != 0 {
			t.Errorf("%s: exit %d: %s", name, o.code, o.stderr)
		}
		if n := strings.Count(o.stderr, c.want); n != 1 {
			t.Errorf("%s: %q is said %d times in %s", name, c.want, n, o.stderr)
		}
	}
}

// TestIdleNotesAreTrue: no such note where the option counts.
func TestIdleNotesAreTrue(t *testing.T) {
	world(t)
	if err := fixture.WriteModel("three.onnx", 3, 1); err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		args []string
		not  string
	}{
		{[]string{"--cache", "off", "--augment", "flip", "--epochs", "3"}, "computed once"},
		{[]string{"--augment", "flip", "--cache-variants", "3"}, "--cache-variants"},
		{[]string{"--thaw", "head"}, "--thaw"},
		{[]string{"--thaw", "last:1,head,!kind:norm"}, "--thaw"},
		{[]string{"--thaw", "kind:bias", "--head", "keep", "--model", "three.onnx"}, "--thaw"},
		{[]string{"--thaw", "last:1", "--batchnorm", "frozen"}, "--batchnorm"},
		{[]string{"--thaw", "fisher:10%"}, "--thaw"},
	} {
		name := strings.Join(c.args, " ")
		o := permafrostRun(t, append([]string{"fit", "--model", "tiny.onnx", "--data", "photos", "--out", fmt.Sprint("run", i), "--epochs", "1"}, c.args...)...)
		if o.code != 0 || strings.Contains(o.stderr, c.not) {
			t.Errorf("%s: exit %d, %q in %s", name, o.code, c.not, o.stderr)
		}
	}
}

// TestIdlePredictOptions: an option that changes no answer of predict is said once.
func TestIdlePredictOptions(t *testing.T) {
	world(t)
	if err := fixture.WriteLanguageModel("story.onnx", 1); err != nil {
		t.Fatal(err)
	}
	if err := fixture.WriteProse("prose", 20, 1); err != nil {
		t.Fatal(err)
	}
	if err := fixture.WriteAnswers("photos", "sizes", "label", []string{"1.5", "2.5", "9.25"}); err != nil {
		t.Fatal(err)
	}
	absolute(t, "sizes")
	succeed(t, "fit", "--model", "story.onnx", "--data", "prose", "--task", "lm", "--out", "lm", "--epochs", "1", "--thaw", "last:1")
	succeed(t, "fit", "--model", "tiny.onnx", "--data", "sizes", "--task", "regress", "--out", "regress", "--epochs", "1")
	succeed(t, "fit", "--model", "tiny.onnx", "--data", "photos", "--out", "classify", "--epochs", "1")
	words := []string{"--text", "a", "--max-tokens", "2"}
	picture := []string{"photos/val/red/00.png"}
	for _, c := range []struct {
		model string
		args  []string
		want  string // nothing: no note on an option
	}{
		{"lm", append(words, "--top-k", "3"), "--top-k does nothing"},
		{"lm", append(words, "--top-p", "0.5"), "--top-p does nothing"},
		{"lm", append(words, "--seed", "7", "--temperature", "0"), "--seed does nothing"},
		{"lm", append(words, "--seed", "7", "--temperature", "1", "--top-k", "3"), ""},
		{"lm", append(words, "--top", "3"), "--top does nothing: a model for task lm"},
		{"regress", append(picture, "--top", "3"), "--top does nothing: a model for task regress"},
		{"classify", append(picture, "--top", "3", "--out", "answers.csv"), "--top does nothing: the table of --out"},
		{"classify", append(picture, "--top", "3"), ""},
	} {
		o := succeed(t, append([]string{"predict", "--model", c.model + "/model.onnx"}, c.args...)...)
		if n := strings.Count(o.stderr, c.want); c.want != "" && n != 1 || c.want == "" && strings.Contains(o.stderr, "does nothing") {
			t.Errorf("%s %v: %q is said %d times in %s", c.model, c.args, c.want, n, o.stderr)
		}
	}
}
