package onnx

import (
	"strconv"
)

// minSide is the size from which a tensor goes to the side file. Its offset there is a multiple of
// alignSide.
const minSide, alignSide = 1024, 4096

// sideFile collects tensors for a file beside the model.
type sideFile struct {
	name string
	rope rope
}

// add appends contents and returns the fields of a TensorProto that point there.
func (s *sideFile) add(b []byte) []byte {
	if pad := -s.rope.size & (alignSide - 1); pad > 0 {
		s.rope.add(make([]byte, pad))
	}
	offset := s.rope.size
	s.rope.add(b)
	var out []byte
	out = appendBytes(out, 13, encodeProp("location", s.name))
	out = appendBytes(out, 13, encodeProp("offset", strconv.Itoa(offset)))
	out = appendBytes(out, 13, encodeProp("length", strconv.Itoa(len(b))))
	return appendInt(out, 14, 1)
}
