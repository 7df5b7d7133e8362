package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// topics are what the model of texts is pretrained on: words that are about one thing.
var topics = []struct {
	name  string
	words string
}{
	{"arrival", "arrive airport train late early tonight tomorrow key reception passport luggage taxi"},
	{"booking", "book reserve date night cancel change confirm free available weekend calendar stay"},
	{"money", "pay price card bill cash refund charge invoice receipt cheap expensive deposit"},
	{"food", "breakfast dinner coffee tea bread menu vegetarian kitchen eat drink hungry table"},
	{"noise", "loud noise music sleep quiet neighbours party door street traffic dog shouting"},
	{"repair", "broken leak shower lamp heating window lock water cold switch fix smell"},
	{"cleaning", "towel clean dirty sheets dust soap pillow bin floor vacuum blanket stain"},
	{"thanks", "thank lovely wonderful great friendly beautiful enjoyed kind perfect happy best helpful"},
	{"trips", "museum beach bus map tour ticket park mountain bicycle harbour castle guide"},
	{"computers", "internet password wireless screen television cable phone charger laptop signal channel remote"},
}

// fillers are words that are about nothing.
var fillers = strings.Fields("the a we our is was and to for in on my please very could you i have with it this at of")

// desks are the classes of the new task: who at a hotel has to read a message. None of them is a
// topic.
var desks = []struct {
	name   string
	topics []string
}{
	{"office", []string{"booking", "money"}},
	{"kitchen", []string{"food"}},
	{"porter", []string{"arrival", "trips", "noise"}},
	{"service", []string{"repair", "cleaning", "computers"}},
}

// topicWords are the words of a topic.
func topicWords(name string) []string {
	for _, t := range topics {
		if t.name == name {
			return strings.Fields(t.words)
		}
	}
	panic("demo: no topic " + name) // the topics are part of the program
}

// message is words about a topic, with one that is about another and some that are about nothing.
func message(r *rand.Rand, topic string) string {
	var words []string
	for range 2 + r.IntN(2) {
		words = append(words, pick(r, topicWords(topic)))
	}
	if r.IntN(2) == 0 {
		words = append(words, pick(r, strings.Fields(topics[r.IntN(len(topics))].words)))
	}
	for range 3 + r.IntN(4) {
		words = append(words, pick(r, fillers))
	}
	r.Shuffle(len(words), func(i, k int) { words[i], words[k] = words[k], words[i] })
	return strings.Join(words, " ")
}

func pick(r *rand.Rand, words []string) string { return words[r.IntN(len(words))] }

// writeTexts writes topics.onnx, which knows the topics of words, and the tables train.csv and
// val.csv of messages to a hotel.
func writeTexts(ctx context.Context, dir string, seed uint64) error {
	work, err := os.MkdirTemp("", "permafrost-texts")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	r := rand.New(rand.NewPCG(seed, 0x74657874))
	about := func(n int) (rows [][2]string) {
		for _, t := range topics {
			for range n {
				rows = append(rows, [2]string{message(r, t.name), t.name})
			}
		}
		return rows
	}
	if err := writeTable(filepath.Join(work, "train.csv"), about(120)); err != nil {
		return err
	}
	if err := writeTable(filepath.Join(work, "val.csv"), about(10)); err != nil {
		return err
	}
	for _, part := range []struct {
		name string
		n    int
	}{{"train", 6}, {"val", 50}} {
		var rows [][2]string
		for _, d := range desks {
			for range part.n {
				rows = append(rows, [2]string{message(r, pick(r, d.topics)), d.name})
			}
		}
		if err := writeTable(filepath.Join(dir, "messages", part.name+".csv"), rows); err != nil {
			return err
		}
	}
	words := append([]string{}, fillers...)
	for _, t := range topics {
		words = append(words, strings.Fields(t.words)...)
	}
	c := config.DefaultConfig()
	c.Model, c.Data = filepath.Join(work, "untrained.onnx"), work
	c.Tokenizer = filepath.Join(work, "tokenizer.json")
	c.Epochs, c.Batch, c.LR, c.Seed = 12, 32, 0.01, seed
	tokenizer, err := json.Marshal(wordTokenizer(words))
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.Tokenizer, tokenizer, 0o666); err != nil {
		return err
	}
	model, err := textNetwork(2+len(words), len(topics), seed)
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.Model, model, 0o666); err != nil {
		return err
	}
	return Pretrain(ctx, c, filepath.Join(dir, "topics.onnx"))
}

// writeTable writes texts and their labels as a table.
func writeTable(path string, rows [][2]string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("text,label\n")
	for _, row := range rows {
		fmt.Fprintf(&b, "%s,%s\n", row[0], row[1])
	}
	return os.WriteFile(path, []byte(b.String()), 0o666)
}

// wordTokenizer is a tokenizer.json whose tokens are words.
func wordTokenizer(words []string) map[string]any {
	vocab := map[string]int{"[PAD]": 0, "[UNK]": 1}
	for _, w := range words {
		vocab[w] = len(vocab)
	}
	return map[string]any{
		"added_tokens": []any{map[string]any{"id": 0, "content": "[PAD]", "special": true}, map[string]any{"id": 1, "content": "[UNK]", "special": true}},
		"normalizer":   map[string]any{"type": "Lowercase"}, "pre_tokenizer": map[string]any{"type": "Whitespace"},
		"model": map[string]any{"type": "WordLevel", "vocab": vocab, "unk_token": "[UNK]"},
	}
}

// textNetwork makes the ONNX file of a network with random weights: input_ids and attention_mask
// [N,T] -> logits [N,classes]. It is an embedding, two feed-forward layers a word, their mean over
// the words, and a classifier.
func textNetwork(words, classes int, seed uint64) ([]byte, error) {
	const width = 32
	b := &netBuilder{g: ir.New("topics"), r: rand.New(rand.NewPCG(seed, 0x746f70))}
	input := func(name string) *ir.Value {
		v := b.g.AddInput(name, ir.Type{DType: tensor.Int64, Shape: tensor.Shape{-1, -1}})
		v.Dims = []string{"batch", "sequence"}
		return v
	}
	linear := func(v *ir.Value, path, name string, in, out int) *ir.Value {
		dev := math.Sqrt(2 / float64(in))
		v = b.node("/"+path+"/MatMul", "MatMul", nil, v, b.param(name+".weight", func() float64 { return b.r.NormFloat64() * dev }, in, out))
		return b.node("/"+path+"/Add", "Add", nil, v, b.fill(name+".bias", 0, out))
	}
	ids, mask := input("input_ids"), input("attention_mask")
	v := b.node("/embeddings/Gather", "Gather", nil, b.param("embeddings.weight", b.r.NormFloat64, words, width), ids)
	for i := range 2 {
		at := fmt.Sprintf("layers.%d", i)
		h := b.node("/"+at+"/Relu", "Relu", nil, linear(v, at+"/up", at+".up", width, width))
		v = b.node("/"+at+"/Add", "Add", nil, v, linear(h, at+"/down", at+".down", width, width))
	}
	// The mean over the words that the mask has.
	weight := b.node("/pool/Cast", "Cast", ir.Attrs{"to": onnx.Code(tensor.Float32)}, mask)
	weight = b.node("/pool/Unsqueeze", "Unsqueeze", nil, weight, b.g.NewConst("last", tensor.Of([]int64{2})))
	words1 := b.g.NewConst("words", tensor.Of([]int64{1}))
	sum := b.node("/pool/ReduceSum", "ReduceSum", ir.Attrs{"keepdims": 0}, b.node("/pool/Mul", "Mul", nil, v, weight), words1)
	count := b.node("/pool/ReduceSum_1", "ReduceSum", ir.Attrs{"keepdims": 0}, weight, words1)
	v = linear(b.node("/pool/Div", "Div", nil, sum, count), "classifier", "classifier", width, classes)
	v.Name, v.Type, v.Dims = "logits", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, classes}}, []string{"batch", ""}
	b.g.Outputs = []*ir.Value{v}
	return onnx.Build(b.g, onnx.BuildOptions{Opset: opset})
}
