//go:build !linux

package ondisk

import (
	"errors"
	"os"
)

func mapFile(int64, func(*os.File) error) ([]byte, error) { return nil, errors.ErrUnsupported }

func unmap([]byte) {}

func fetch([]byte) {}

func release([]byte) {}
