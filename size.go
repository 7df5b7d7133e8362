package permafrost

import "github.com/permafrost-ml/permafrost/internal/option"

// ParseSize reads a number of bytes written as 512, 64KB or 1.5GiB: decimal units in powers of
// 1000, those with an i in powers of 1024. A single letter (64K) is the power of 1024.
func ParseSize(text string) (int64, error) {
	var s option.Size
	if err := s.Set(text); err != nil {
		return 0, badInput(err)
	}
	return int64(s), nil
}
