//go:build !linux

package ondisk

import (
	"errors"
	"os"
)

func mapCopy(*os.File, int64, int64) ([]byte, error) { return nil, errors.ErrUnsupported }

func unmap([]byte) {}

func release([]byte) {}
