package feed

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

func TestBytesPrepare(t *testing.T) {
	const p = 256
	for _, c := range []struct {
		b    ByteRow
		file string
		want []uint16
	}{
		{ByteRow{Begin: 3, End: 3, Block: 8, Padding: p}, " \n ab", []uint16{'a', 'b', p, ' ', 'a', 'b'}},
		{ByteRow{Begin: 3, End: 3, Block: 8, Padding: p}, "x", []uint16{'x', p, p, p, p, 'x'}},
		{ByteRow{Begin: 3, End: 2, Block: 4, Padding: p}, "    abcd\n\t", []uint16{p, p, p, 'c', 'd'}}, // the block is white
		{ByteRow{Begin: 2, Middle: 4, End: 2, Padding: 7}, "0123456789", []uint16{'0', '1', '3', '4', '5', '6', '8', '9'}},
		{ByteRow{Middle: 4, Padding: p}, "01", []uint16{p, '0', '1', p}},
	} {
		got, err := c.b.Prepare(strings.NewReader(c.file), int64(len(c.file)))
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%+v of %q: %v (%v), want %v", c.b, c.file, got, err, c.want)
		}
	}
}

// TestBytesFolders reads class folders of any files and leaves an empty one out.
func TestBytesFolders(t *testing.T) {
	root := t.TempDir()
	for i := range 12 {
		write(t, fmt.Appendf(nil, "%d", i), root, "digits", fmt.Sprint(i, ".x"))
		write(t, bytes.Repeat([]byte{'a'}, i+1), root, "letters", fmt.Sprint(i))
	}
	write(t, nil, root, "letters", "empty")
	f := &Bytes{ByteRow: ByteRow{Begin: 2, End: 2, Padding: 256}, input: "bytes", dtype: tensor.Int32}
	f.Files = NewFiles(KindBytes, f.media)
	train, val, err := f.Open(context.Background(), at(root), data.Options{Seed: 1})
	if err != nil || train.Len()+val.Len() != 24 || len(train.Skipped) != 1 || !slices.Equal(train.Classes, []string{"digits", "letters"}) {
		t.Fatalf("%d and %d examples, %v skipped (%v)", train.Len(), val.Len(), train.Skipped, err)
	}
	for b, err := range train.Loader(4).Batches(context.Background(), []int{0, 1}, data.Plain) {
		if err != nil {
			t.Fatal(err)
		}
		if in := b.Inputs[0]; !in.Shape.Equal(tensor.Shape{2, 4}) || in.DType != tensor.Int32 || tensor.Data[int32](in)[1] != 256 {
			t.Errorf("a batch is %v%v %v", in.DType, in.Shape, tensor.Data[int32](in))
		}
	}
	write(t, []byte("other"), train.Examples[0].Path)
	if _, err := train.Digest(0); err != nil {
		t.Error("the digest is not remembered:", err)
	}
	for _, err := range train.Loader(1).Batches(context.Background(), []int{0}, data.Plain) {
		if err == nil {
			t.Error("a file that changed is read as if it had not")
		}
	}
}
