package main

import (
	"os"
	"strings"
)

// avx512 says whether the text of /proc/cpuinfo is of a processor with AVX-512.
func avx512(cpuinfo string) bool { return strings.Contains(cpuinfo, "avx512f") }

// level is the level of instructions that is measured: that of PERMAFROST_CPU, or the processor's own.
func level() string {
	if l := os.Getenv("PERMAFROST_CPU"); l != "" {
		return l
	}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil && avx512(string(text)) {
		return "avx512"
	}
	return "avx2"
}

// blasType is the type of processor that OpenBLAS is told of. Debian's takes newer processors for old
// ones. A type whose instructions the processor lacks ends in SIGILL.
func blasType() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	switch {
	case level() == "avx512":
		return "SkylakeX"
	case strings.Contains(string(text), "AuthenticAMD"):
		return "Zen"
	}
	return "Haswell"
}

// torchLimits keep PyTorch to the level that PERMAFROST_CPU names.
func torchLimits() []string {
	if os.Getenv("PERMAFROST_CPU") != "avx2" {
		return nil
	}
	return []string{"ATEN_CPU_CAPABILITY=avx2", "DNNL_MAX_CPU_ISA=AVX2"}
}
