package freeze

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"fmt"
	"io"
)

// Bits is a mask with one bit for each element, least significant first. Its text form is deflated
// and in base64, so a mask of few elements is short.
type Bits []byte

// maxBits bounds the bytes of a mask that is read. It allows 2^34 elements.
const maxBits = 1 << 31

// MarshalText gives the text form of the mask.
func (b Bits) MarshalText() ([]byte, error) {
	var z bytes.Buffer
	w, err := flate.NewWriter(&z, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return []byte(base64.StdEncoding.EncodeToString(z.Bytes())), nil
}

// UnmarshalText reads the text form. It errors where that is damaged or too long.
func (b *Bits) UnmarshalText(text []byte) error {
	z, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil {
		return fmt.Errorf("mask: %w", err)
	}
	r := flate.NewReader(bytes.NewReader(z))
	defer r.Close()
	out, err := io.ReadAll(io.LimitReader(r, maxBits+1))
	if err != nil {
		return fmt.Errorf("mask: %w", err)
	}
	if len(out) > maxBits {
		return fmt.Errorf("mask: more than %d bytes", maxBits)
	}
	*b = out
	return nil
}
