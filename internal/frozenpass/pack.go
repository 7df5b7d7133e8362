package frozenpass

import (
	"fmt"

	"github.com/klauspost/compress/s2"
)

// packed compresses what travels: values behind a rectifier are zero by half, and ids of tokens have
// few bytes that are not.
func packed(b []byte) []byte { return s2.Encode(nil, b) }

// unpacked decompresses at most the given number of bytes.
func unpacked(b []byte, most int) ([]byte, error) {
	n, err := s2.DecodedLen(b)
	if err != nil {
		return nil, err
	}
	if n > most {
		return nil, fmt.Errorf("%d bytes, where at most %d were to come", n, most)
	}
	return s2.Decode(nil, b)
}
