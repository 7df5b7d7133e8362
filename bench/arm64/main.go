// Command arm64 judges the kernels of arm64 on a machine that has none: llvm-mca gives the cycles
// of their loops on processors that LLVM knows, and QEMU counts the instructions of operations, in
// NEON and in plain Go. Both are printed as tables in Markdown.
//
// It needs qemu-user-static and llvm (apt-get install qemu-user-static llvm-19).
//
//	go run ./bench/arm64
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
)

func main() {
	log.SetFlags(0)
	suffix := flag.String("llvm", "-19", "what the names of LLVM's programs end with")
	qemu := flag.String("qemu", "qemu-aarch64-static", "QEMU's program for a single program")
	flag.Parse()
	dir, err := os.MkdirTemp("", "arm64")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	test := filepath.Join(dir, "kernel.test")
	build := exec.Command("go", "test", "-c", "-o", test, "./internal/kernel")
	build.Env = append(os.Environ(), "GOARCH=arm64", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		log.Fatalf("%v: %s", err, out)
	}
	b := binary{test, *suffix, *qemu}
	if err := b.cycles(); err != nil {
		log.Fatal(err)
	}
	fmt.Println()
	if err := b.counts(); err != nil {
		log.Fatal(err)
	}
}

// binary is the tests of package kernel for arm64.
type binary struct{ path, llvm, qemu string }
