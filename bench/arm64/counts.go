package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// counts prints how many instructions operations take in plain Go and in NEON.
func (b *binary) counts() error {
	once := filepath.Join(filepath.Dir(b.path), "once")
	build := exec.Command("go", "build", "-o", once, "./bench/arm64/once")
	build.Env = append(os.Environ(), "GOARCH=arm64", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	addresses, err := kernelCode(once)
	if err != nil {
		return err
	}
	list, err := exec.Command(b.qemu, once).Output()
	if err != nil {
		return fmt.Errorf("%s: %w", b.qemu, err)
	}
	fmt.Println("| instructions of | plain Go | NEON | plain Go / NEON |")
	fmt.Println("|---|---:|---:|---:|")
	for _, name := range strings.Split(strings.TrimSpace(string(list)), "\n") {
		var n [2]int
		for i, level := range []string{"generic", "neon"} {
			// What two times take more than one time has no start-up in it.
			first, err := b.count(once, addresses, level, name, 1)
			if err != nil {
				return err
			}
			second, err := b.count(once, addresses, level, name, 2)
			if err != nil {
				return err
			}
			n[i] = second - first
		}
		fmt.Printf("| %s | %d | %d | %.1f |\n", name, n[0], n[1], float64(n[0])/float64(n[1]))
	}
	return nil
}

// kernelCode is the range of addresses of package kernel.
func kernelCode(program string) (string, error) {
	out, err := exec.Command("go", "tool", "nm", "-n", program).Output()
	if err != nil {
		return "", fmt.Errorf("go tool nm: %w", err)
	}
	var first, last string
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) == 3 && f[1] == "T" && strings.Contains(f[2], "internal/kernel.") {
			if first == "" {
				first = f[0]
			}
			last = f[0]
		}
	}
	return "0x" + first + "..0x" + last, nil
}

// count runs an operation so many times and counts the instructions of package kernel. QEMU tells
// the instructions of a block when it first meets it, and then every time that it runs it.
func (b *binary) count(program, addresses, level, operation string, times int) (int, error) {
	cmd := exec.Command(b.qemu, "-d", "in_asm,exec,nochain", "-dfilter", addresses, program, operation, strconv.Itoa(times))
	cmd.Env = append(os.Environ(), "PERMAFROST_CPU="+level, "GOMAXPROCS=1", "GOGC=off")
	log, err := cmd.StderrPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	n, err := instructions(log)
	if err != nil {
		return 0, err
	}
	return n, cmd.Wait()
}

func instructions(log io.Reader) (total int, err error) {
	blocks := map[string]int{} // instructions, by address
	var block string           // the one that is being told
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		l := lines.Bytes()
		switch {
		case bytes.HasPrefix(l, []byte("IN:")):
			block = ""
		case bytes.HasPrefix(l, []byte("0x")):
			at, _, _ := bytes.Cut(l[2:], []byte(":"))
			if block == "" {
				block = strings.TrimLeft(string(at), "0")
				blocks[block] = 0
			}
			blocks[block]++
		case bytes.HasPrefix(l, []byte("Trace ")):
			f := bytes.SplitN(l, []byte("/"), 3)
			if len(f) == 3 {
				total += blocks[string(bytes.TrimLeft(f[1], "0"))]
			}
		}
	}
	return total, lines.Err()
}
