//go:build !noasm

package kernel

import "unsafe"

func winoInputVector4(t *winoInput)   { winoInputNEON((*byte)(unsafe.Pointer(t))) }
func winoOutGradVector4(t *winoInput) { winoOutGradNEON((*byte)(unsafe.Pointer(t))) }
func winoFilterVector4(t *winoInput)  { winoFilterNEON((*byte)(unsafe.Pointer(t))) }
func winoGradVector4(t *winoInput)    { winoGradNEON((*byte)(unsafe.Pointer(t))) }
func winoOutputVector4(t *winoOutput) { winoOutputNEON((*byte)(unsafe.Pointer(t))) }
