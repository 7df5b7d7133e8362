package checkpoint

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// saveNpz writes NumPy's archive: NAME.npy for every tensor, as numpy.savez does.
func (d *StateDict) saveNpz(w io.Writer) error {
	a := newArchive(w)
	for _, t := range d.Tensors {
		head, err := npyHeader(t.tensor)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		if err := a.add(t.Name+".npy", head, t.tensor.Bytes); err != nil {
			return err
		}
	}
	return a.close()
}

// npyHeader is what precedes the elements of a row-major array in version 1.0 of the npy format.
func npyHeader(t *tensor.Tensor) ([]byte, error) {
	descr := ""
	for name, dt := range npyTypes {
		if dt == t.DType {
			descr = "<" + name
		}
	}
	if descr == "" {
		return nil, fmt.Errorf("NumPy has no type for %v: write .safetensors", t.DType)
	}
	if t.DType.Size() == 1 {
		descr = "|" + descr[1:]
	}
	var shape strings.Builder
	for _, n := range t.Shape {
		fmt.Fprintf(&shape, "%d,", n)
	}
	text := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, shape.String())
	const before = len(npyMagic) + 4 // the magic, the version and the length
	text += strings.Repeat(" ", archiveAlign-1-(before+len(text))%archiveAlign) + "\n"
	head := append([]byte(npyMagic), 1, 0)
	head = binary.LittleEndian.AppendUint16(head, uint16(len(text)))
	return append(head, text...), nil
}
