//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package cache

import (
	"io/fs"
	"reflect"
	"syscall"
	"time"
)

// identity is the inode of a file and its change time.
func identity(info fs.FileInfo) (inode uint64, changed time.Time) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, time.Time{}
	}
	return uint64(st.Ino), changeTime(reflect.ValueOf(st).Elem())
}

// changeTime finds the field, which some systems call Ctim and some Ctimespec.
func changeTime(st reflect.Value) time.Time {
	for _, name := range []string{"Ctim", "Ctimespec"} {
		if f := st.FieldByName(name); f.IsValid() {
			if ts, ok := f.Interface().(syscall.Timespec); ok {
				return time.Unix(ts.Unix())
			}
		}
	}
	return time.Time{}
}
