package sound

import "encoding/binary"

// WAV encodes samples, of which full scale is -1 to 1, as a WAV file with one channel of 8 bits.
func WAV(samples []float32, rate int) []byte {
	b := make([]byte, 0, 44+len(samples))
	b = append(b, "RIFF"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(36+len(samples)))
	b = append(b, "WAVEfmt "...)
	b = binary.LittleEndian.AppendUint32(b, 16)
	b = binary.LittleEndian.AppendUint16(b, 1) // PCM
	b = binary.LittleEndian.AppendUint16(b, 1) // channels
	b = binary.LittleEndian.AppendUint32(b, uint32(rate))
	b = binary.LittleEndian.AppendUint32(b, uint32(rate)) // bytes a second
	b = binary.LittleEndian.AppendUint16(b, 1)            // bytes of a sample in all channels
	b = binary.LittleEndian.AppendUint16(b, 8)            // bits of a sample
	b = append(b, "data"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(samples)))
	for _, v := range samples {
		b = append(b, uint8(min(max(128+127*v, 0), 255)))
	}
	if len(b)%2 == 1 { // chunks have an even length
		b = append(b, 0)
	}
	return b
}
