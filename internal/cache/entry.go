package cache

import (
	"encoding/binary"
	"hash/crc32"
)

// entrySize is the size of an entry of an index, in bytes:
//
//	 0  key       32 bytes
//	32  offset    uint64, of the block in the pack
//	40  length    uint64, of the block
//	48  sum       uint32, CRC-32C of the block
//	52  check     uint32, CRC-32C of the space's name and the bytes above
//
// Numbers are little-endian.
const entrySize = 56

// maxBlock bounds the size of a block in bytes.
const maxBlock = 1 << 32

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// entry is the place of a block in its pack.
type entry struct {
	key    Digest
	offset int64
	length int64
	sum    uint32
}

func (e *entry) check(space *Digest, b []byte) uint32 {
	return crc32.Update(crc32.Checksum(space[:], castagnoli), castagnoli, b[:52])
}

// append appends the encoded entry to b.
func (e *entry) append(b []byte, space *Digest) []byte {
	at := len(b)
	b = append(b, e.key[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(e.offset))
	b = binary.LittleEndian.AppendUint64(b, uint64(e.length))
	b = binary.LittleEndian.AppendUint32(b, e.sum)
	return binary.LittleEndian.AppendUint32(b, e.check(space, b[at:]))
}

// parseIndex yields the entries of an index with a correct checksum, whose blocks lie within the
// size of the pack. It skips the others and counts them.
func parseIndex(index []byte, space *Digest, size int64, yield func(entry)) (damaged int) {
	for ; len(index) >= entrySize; index = index[entrySize:] {
		e := entry{
			key:    Digest(index[:32]),
			offset: int64(binary.LittleEndian.Uint64(index[32:])),
			length: int64(binary.LittleEndian.Uint64(index[40:])),
			sum:    binary.LittleEndian.Uint32(index[48:]),
		}
		if e.check(space, index) != binary.LittleEndian.Uint32(index[52:]) ||
			e.offset < 0 || e.length < 0 || e.length > maxBlock || e.length > size || e.offset > size-e.length {
			damaged++
			continue
		}
		yield(e)
	}
	if len(index) > 0 {
		damaged++
	}
	return damaged
}
