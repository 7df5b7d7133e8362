//go:build !noasm

package kernel

import "unsafe"

func winoInputVector4(t *winoInput)   { winoInputNEON((*byte)(unsafe.Pointer(t))) }
func winoOutGradVector4(t *winoInput) { winoOutGradNEON((*byte)(unsafe.Pointer(t))) }
func winoOutputVector4(t *winoOutput) { winoOutputNEON((*byte)(unsafe.Pointer(t))) }
