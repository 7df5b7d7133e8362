package checkpoint

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"maps"
	"slices"
	"testing"
)

// The tests write pickles by hand, as torch.save does with protocol 2.

func p(parts ...string) string { // a whole pickle
	s := "\x80\x02"
	for _, part := range parts {
		s += part
	}
	return s + "."
}

func text(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

func num(n int) string { return "J" + string(binary.LittleEndian.AppendUint32(nil, uint32(n))) }

func nums(n ...int) string {
	s := "("
	for _, v := range n {
		s += num(v)
	}
	return s + "t"
}

// store refers to a storage of n elements.
func store(typ, key string, n int) string {
	return "(" + text("storage") + "ctorch\n" + typ + "\n" + text(key) + text("cpu") + num(n) + "tQ"
}

// rebuilt is a tensor over a storage.
func rebuilt(storage string, offset int, shape, strides string) string {
	return "ctorch._utils\n_rebuild_tensor_v2\n(" + storage + num(offset) + shape + strides + "\x89ccollections\nOrderedDict\n)RtR"
}

// ordered is an OrderedDict of keys and values in turn, with the attribute that state_dict gives
// it.
func ordered(kv ...string) string {
	s := "ccollections\nOrderedDict\n)R("
	for i := 0; i < len(kv); i += 2 {
		s += text(kv[i]) + kv[i+1]
	}
	return s + "u}" + text("_metadata") + "ccollections\nOrderedDict\n)Rsb"
}

// plain is a dict of keys and values in turn.
func plain(kv ...string) string {
	s := "}("
	for i := 0; i < len(kv); i += 2 {
		s += text(kv[i]) + kv[i+1]
	}
	return s + "u"
}

// archive is a file of torch 1.6 and later.
func archive(t testing.TB, pickle string, storages map[string][]byte) []byte {
	t.Helper()
	files := []any{"archive/data.pkl", []byte(pickle), "archive/version", []byte("3\n")}
	for _, key := range slices.Sorted(maps.Keys(storages)) {
		files = append(files, "archive/data/"+key, storages[key])
	}
	return zipped(t, zip.Store, files...)
}

// legacy is a file of torch before 1.6 with one storage, "0", of n elements.
func legacy(pickle string, n int, data []byte) []byte {
	s := p("\x8a\x0a"+legacyMagic) + p("M\xe9\x03") + p(plain("little_endian", "\x88")) + pickle + p("](", text("0"), "e")
	b := binary.LittleEndian.AppendUint64([]byte(s), uint64(n))
	return append(b, data...)
}

func floats(v ...float32) []byte {
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// npy is a file of one array.
func npy(header string, data []byte) []byte {
	b := append([]byte(npyMagic+"\x01\x00"), byte(len(header)), byte(len(header)>>8))
	return append(append(b, header...), data...)
}

// zipped is an archive of files, by name and contents in turn.
func zipped(t testing.TB, method uint16, kv ...any) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(kv); i += 2 {
		w, err := z.CreateHeader(&zip.FileHeader{Name: kv[i].(string), Method: method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(kv[i+1].([]byte)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
