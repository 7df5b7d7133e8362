//go:build !noasm

package kernel

import "unsafe"

func winoInputVector8(t *winoInput)    { winoInputAVX2((*byte)(unsafe.Pointer(t))) }
func winoOutGradVector8(t *winoInput)  { winoOutGradAVX2((*byte)(unsafe.Pointer(t))) }
func winoOutputVector8(t *winoOutput)  { winoOutputAVX2((*byte)(unsafe.Pointer(t))) }
func winoInputVector16(t *winoInput)   { winoInputAVX512((*byte)(unsafe.Pointer(t))) }
func winoOutGradVector16(t *winoInput) { winoOutGradAVX512((*byte)(unsafe.Pointer(t))) }
func winoOutputVector16(t *winoOutput) { winoOutputAVX512((*byte)(unsafe.Pointer(t))) }
