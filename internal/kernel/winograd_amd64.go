//go:build !noasm

package kernel

import "unsafe"

func winoInputVector8(t *winoInput)    { winoInputAVX2((*byte)(unsafe.Pointer(t))) }
func winoOutGradVector8(t *winoInput)  { winoOutGradAVX2((*byte)(unsafe.Pointer(t))) }
func winoFilterVector8(t *winoInput)   { winoFilterAVX2((*byte)(unsafe.Pointer(t))) }
func winoGradVector8(t *winoInput)     { winoGradAVX2((*byte)(unsafe.Pointer(t))) }
func winoOutputVector8(t *winoOutput)  { winoOutputAVX2((*byte)(unsafe.Pointer(t))) }
func winoInputVector16(t *winoInput)   { winoInputAVX512((*byte)(unsafe.Pointer(t))) }
func winoOutGradVector16(t *winoInput) { winoOutGradAVX512((*byte)(unsafe.Pointer(t))) }
func winoFilterVector16(t *winoInput)  { winoFilterAVX512((*byte)(unsafe.Pointer(t))) }
func winoGradVector16(t *winoInput)    { winoGradAVX512((*byte)(unsafe.Pointer(t))) }
func winoOutputVector16(t *winoOutput) { winoOutputAVX512((*byte)(unsafe.Pointer(t))) }
