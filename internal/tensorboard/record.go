package tensorboard

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

// A record of a TFRecord file: the length of its content as uint64, the masked CRC-32C of these eight
// bytes, the content, and the masked CRC-32C of the content; all little-endian.
const (
	lengthBytes = 8
	crcBytes    = 4
	maskDelta   = 0xa282ead8
	longest     = 64 << 20 // bytes of a content that readRecord takes
)

// errDamaged says that a record is incomplete or not as it was written.
var errDamaged = errors.New("a record is damaged")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// masked is the CRC-32C of b, rotated and shifted, so that it can be stored beside other ones.
func masked(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + maskDelta
}

// frame makes a record of a content.
func frame(content []byte) []byte {
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, lengthBytes+2*crcBytes+len(content)), uint64(len(content)))
	b = binary.LittleEndian.AppendUint32(b, masked(b))
	b = append(b, content...)
	return binary.LittleEndian.AppendUint32(b, masked(content))
}

// readRecord reads the content of a record. The error is io.EOF after the last one, and errDamaged
// for one that is incomplete or whose sums are wrong.
func readRecord(r io.Reader) ([]byte, error) {
	var head [lengthBytes + crcBytes]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, incomplete(err)
	}
	n := binary.LittleEndian.Uint64(head[:])
	if masked(head[:lengthBytes]) != binary.LittleEndian.Uint32(head[lengthBytes:]) || n > longest {
		return nil, errDamaged
	}
	b := make([]byte, n+crcBytes)
	if _, err := io.ReadFull(r, b); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, incomplete(err)
	}
	if masked(b[:n]) != binary.LittleEndian.Uint32(b[n:]) {
		return nil, errDamaged
	}
	return b[:n], nil
}

func incomplete(err error) error {
	if err == io.ErrUnexpectedEOF {
		return errDamaged
	}
	return err
}
