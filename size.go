package permafrost

import "github.com/permafrost-ml/permafrost/internal/option"

// ParseSize parses a number of bytes written as 512, 64KB or 1.5GiB. Decimal units are powers of
// 1000, units with an i powers of 1024. A single letter (64K) is a power of 1024.
func ParseSize(text string) (int64, error) {
	var s option.Size
	if err := s.Set(text); err != nil {
		return 0, badInput(err)
	}
	return int64(s), nil
}
