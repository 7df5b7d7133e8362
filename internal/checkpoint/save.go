package checkpoint

import (
	"archive/zip"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/safetensors"
)

// savers write a state dict, by the ending of the file's name.
var savers = map[string]func(*StateDict, io.Writer) error{
	".safetensors": (*StateDict).saveSafetensors,
	".pth":         (*StateDict).saveTorch,
	".pt":          (*StateDict).saveTorch,
	".bin":         (*StateDict).saveTorch,
	".npz":         (*StateDict).saveNpz,
}

// CheckName errors if the ending of path names no format that Save writes.
func CheckName(path string) error {
	if savers[strings.ToLower(filepath.Ext(path))] == nil {
		return fmt.Errorf("%s: the ending says the format: want .safetensors, .pth, .pt or .bin (PyTorch), or .npz (NumPy)", path)
	}
	return nil
}

// Save writes the state dict in the format that the ending of path names: safetensors, the zip file
// of torch.save (.pth, .pt and .bin), or NumPy's npz. It errors if two tensors have one name, or if
// the format has no type for the elements of one.
func (d *StateDict) Save(w io.Writer, path string) error {
	if err := CheckName(path); err != nil {
		return err
	}
	seen := make(map[string]bool, len(d.Tensors))
	for _, t := range d.Tensors {
		if seen[t.Name] {
			return fmt.Errorf("two tensors would be called %q", t.Name)
		}
		seen[t.Name] = true
	}
	return savers[strings.ToLower(filepath.Ext(path))](d, w)
}

func (d *StateDict) saveSafetensors(w io.Writer) error {
	f, err := d.file()
	if err != nil {
		return err
	}
	return safetensors.Write(w, *f)
}

// archiveAlign is where in a file the contents of an archive's files begin, in bytes, as torch.save
// has it, so that they can be mapped into memory.
const archiveAlign = 64

// archiveWriter writes a zip file without compression.
type archiveWriter struct {
	zip *zip.Writer
	at  *counter
}

// counter counts the bytes that pass it.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

func newArchive(w io.Writer) *archiveWriter {
	at := &counter{w: w}
	return &archiveWriter{zip.NewWriter(at), at}
}

// add writes one file, whose contents are parts.
func (a *archiveWriter) add(name string, parts ...[]byte) error {
	if err := a.zip.Flush(); err != nil {
		return err
	}
	const fixed = 30 + 4 // the sizes of a file's header and of the head of its extra field
	pad := archiveAlign - (a.at.n+fixed+int64(len(name)))%archiveAlign
	h := &zip.FileHeader{Name: name, Method: zip.Store, Extra: append([]byte{'F', 'B', byte(pad), 0}, make([]byte, pad)...)}
	for _, b := range parts {
		h.CRC32 = crc32.Update(h.CRC32, crc32.IEEETable, b)
		h.UncompressedSize64 += uint64(len(b))
	}
	h.CompressedSize64 = h.UncompressedSize64
	w, err := a.zip.CreateRaw(h)
	if err != nil {
		return err
	}
	for _, b := range parts {
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

func (a *archiveWriter) close() error { return a.zip.Close() }
