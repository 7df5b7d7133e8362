package picture

import (
	"bytes"
	"encoding/binary"
)

// orientation returns the EXIF orientation (1 to 8) of an encoded JPEG, PNG, TIFF or WebP picture, 1
// where there is none.
//
// We read it ourselves: available libraries either read every tag and bring a logger and a
// serialiser, or have not been maintained since 2019, and this needs one tag of the first
// directory. Damaged EXIF data counts as absent; it is no reason to refuse a picture.
func orientation(file []byte) int {
	switch {
	case bytes.HasPrefix(file, []byte("\xff\xd8")):
		return tiffOrientation(jpegExif(file))
	case bytes.HasPrefix(file, []byte("II*\x00")), bytes.HasPrefix(file, []byte("MM\x00*")):
		return tiffOrientation(file)
	case bytes.HasPrefix(file, []byte("\x89PNG\r\n\x1a\n")):
		return tiffOrientation(chunk(file[8:], "eXIf", binary.BigEndian, 4, 12, 1))
	case len(file) > 12 && string(file[:4]) == "RIFF" && string(file[8:12]) == "WEBP":
		return tiffOrientation(bytes.TrimPrefix(chunk(file[12:], "EXIF", binary.LittleEndian, 0, 8, 2), []byte("Exif\x00\x00")))
	}
	return 1
}

// jpegExif returns the TIFF structure of the first APP1 segment with EXIF data.
func jpegExif(b []byte) []byte {
	for i := 2; i+4 <= len(b) && b[i] == 0xff; {
		marker, n := b[i+1], int(binary.BigEndian.Uint16(b[i+2:]))
		switch {
		case marker == 0xff: // padding
			i++
			continue
		case marker == 0xda || n < 2 || i+2+n > len(b): // the pixels begin
			return nil
		}
		if body := b[i+4 : i+2+n]; marker == 0xe1 && bytes.HasPrefix(body, []byte("Exif\x00\x00")) {
			return body[6:]
		}
		i += 2 + n
	}
	return nil
}

// chunk finds a chunk by its tag in a PNG or RIFF file. The body follows eight bytes: the tag is at
// byte tagAt (4 or 0) of these, and the length in the other four. A chunk takes over bytes more
// than its body, and bodies are padded to a multiple of pad.
func chunk(b []byte, tag string, order binary.ByteOrder, tagAt, over, pad int) []byte {
	for len(b) >= 8 {
		n := int(order.Uint32(b[4-tagAt:]))
		if n > len(b)-8 {
			return nil
		}
		if string(b[tagAt:tagAt+4]) == tag {
			return b[8 : 8+n]
		}
		b = b[min(over+(n+pad-1)/pad*pad, len(b)):]
	}
	return nil
}

// tiffOrientation reads tag 0x0112 of the first directory of a TIFF structure.
func tiffOrientation(b []byte) int {
	if len(b) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.BigEndian
	if b[0] == 'I' {
		order = binary.LittleEndian
	}
	at := int(order.Uint32(b[4:]))
	if at > len(b)-2 {
		return 1
	}
	n := int(order.Uint16(b[at:]))
	for b = b[at+2:]; n > 0 && len(b) >= 12; n, b = n-1, b[12:] {
		const short = 3
		if order.Uint16(b) == 0x0112 && order.Uint16(b[2:]) == short {
			if o := int(order.Uint16(b[8:])); o >= 1 && o <= 8 {
				return o
			}
			return 1
		}
	}
	return 1
}
