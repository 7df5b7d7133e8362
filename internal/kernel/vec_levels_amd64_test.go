//go:build !noasm

package kernel

import features "golang.org/x/sys/cpu"

func archLevels() (ls []vecLevel) {
	x := &features.X86
	if x.HasAVX2 && x.HasFMA && x.HasBMI2 {
		ls = append(ls, vecLevel{"avx2", avx2Vec})
	}
	if x.HasAVX512F && x.HasAVX512VL && x.HasAVX512BW && x.HasAVX512DQ {
		ls = append(ls, vecLevel{"avx512", avx512Vec})
	}
	return ls
}
