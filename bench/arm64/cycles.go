package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var processors = []string{"neoverse-n1", "neoverse-v1", "apple-m1"}

var loops = []struct{ kernel, what string }{
	{"tileNEONm6v4", "product, 6 rows by 16 columns"},
	{"tileNEONm5v4", "product, 5 by 16"},
	{"tileNEONm4v4", "product, 4 by 16"},
	{"tileNEONm3v4", "product, 3 by 16"},
	{"tileNEONm6v2", "product, 6 by 8"},
	{"tileNEONm1v4", "product, 1 by 16"},
	{"slideNEONs3d1m14", "depthwise 3x3, 14 pixels"},
	{"slideNEONs3d2m14", "depthwise 3x3 with stride 2, 14 pixels"},
	{"slideNEONs5d1m14", "depthwise 5x5, 14 pixels"},
	{"slideGradNEONs3d1m14", "its weight gradient, 3x3, 14 pixels"},
}

var functions = []struct{ kernel, what string }{
	{"expNEON", "exp"},
	{"sigmoidNEON", "sigmoid"},
	{"tanhNEON", "tanh"},
	{"geluNEON", "gelu"},
	{"geluGradNEON", "gradient of gelu"},
	{"expSumNEON", "softmax: exp and sum"},
	{"dotNEON", "dot"},
	{"adamwNEON", "AdamW"},
}

// cycles prints what llvm-mca says of the loops.
func (b *binary) cycles() error {
	peak := map[string]float64{} // multiply-adds of a cycle
	head := func(what string) {
		fmt.Println("| " + what + " | " + strings.Join(processors, " | ") + " |")
		fmt.Println("|---|" + strings.Repeat("---:|", len(processors)))
	}
	row := func(what, kernel string, cell func(processor string, cycles float64, l loop) string) error {
		l, err := b.hottest(kernel)
		if err != nil {
			return err
		}
		fmt.Printf("| %s |", what)
		for _, p := range processors {
			c, err := b.analyse(p, l)
			if err != nil {
				return err
			}
			fmt.Printf(" %s |", cell(p, c, l))
		}
		fmt.Println()
		return nil
	}
	head("multiply-adds of 4 numbers")
	err := row("most in a cycle", "peakNEON", func(p string, c float64, l loop) string {
		peak[p] = float64(l.multiplyAdds()) / c
		return fmt.Sprintf("%.2f", peak[p])
	})
	if err != nil {
		return err
	}
	for _, k := range loops {
		err := row(k.what, k.kernel, func(p string, c float64, l loop) string {
			return fmt.Sprintf("%.0f%%", 100*float64(l.multiplyAdds())/c/peak[p])
		})
		if err != nil {
			return err
		}
	}
	fmt.Println()
	head("cycles a number")
	for _, k := range functions {
		err := row(k.what, k.kernel, func(p string, c float64, l loop) string {
			return fmt.Sprintf("%.2f", c/float64(l.numbers()))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// loop is the instructions of a loop, the branch back last.
type loop []string

func (l loop) multiplyAdds() int {
	n := 0
	for _, i := range l {
		if strings.HasPrefix(i, "fmla\t") && strings.Contains(i, ".4s") {
			n++
		}
	}
	return n
}

var count = regexp.MustCompile(`^sub\tx\d+, x\d+, #0x([0-9a-f]+)$`)

// numbers is how many numbers a round of a vector function does: the loop counts them down.
func (l loop) numbers() int {
	for _, i := range l {
		if m := count.FindStringSubmatch(i); m != nil {
			n, _ := strconv.ParseInt(m[1], 16, 0)
			return int(n)
		}
	}
	return 0
}

var (
	line   = regexp.MustCompile(`^\s*([0-9a-f]+):\s+(.*)$`)
	branch = regexp.MustCompile(`^(b\.\w+|cbn?z|tbn?z)\t.*\b0x([0-9a-f]+)`)
)

// hottest is the loop of a kernel with the most vector arithmetic that holds no other loop.
func (b *binary) hottest(kernel string) (loop, error) {
	symbol := "github.com/permafrost-ml/permafrost/internal/kernel." + kernel + ".abi0"
	out, err := exec.Command("llvm-objdump"+b.llvm, "-d", "--no-show-raw-insn", "--disassemble-symbols="+symbol, b.path).Output()
	if err != nil {
		return nil, fmt.Errorf("llvm-objdump: %w", err)
	}
	var text []string
	at := map[string]int{}
	for l := range strings.Lines(string(out)) {
		m := line.FindStringSubmatch(strings.TrimRight(l, "\n"))
		if m == nil || strings.HasPrefix(m[2], "udf") {
			continue
		}
		at[m[1]] = len(text)
		text = append(text, regexp.MustCompile(` <.*>`).ReplaceAllString(m[2], ""))
	}
	var best loop
	end := -1 // of the last loop found
	for i, t := range text {
		m := branch.FindStringSubmatch(t)
		if m == nil {
			continue
		}
		first, ok := at[m[2]]
		if !ok || first >= i || first < end {
			continue
		}
		end = i
		l := slices.Clone(loop(text[first : i+1]))
		for j, t := range l {
			if m := branch.FindStringSubmatchIndex(t); m != nil {
				l[j] = t[:m[4]-2] + "loop"
			}
		}
		if vectors(l) > vectors(best) {
			best = l
		}
	}
	if best == nil {
		return nil, fmt.Errorf("%s has no loop", kernel)
	}
	return best, nil
}

func vectors(l loop) int {
	n := 0
	for _, i := range l {
		if strings.Contains(i, ".4s") {
			n++
		}
	}
	return n
}

var total = regexp.MustCompile(`Total Cycles:\s+(\d+)`)

// byElement is a multiply-add with one number of its last operand. Of Apple's cores LLVM knows the
// timing of multiply-adds of whole vectors only, which is the same.
var byElement = regexp.MustCompile(`^(fmla\t.*)\.s\[0\]$`)

// analyse is the cycles of a round.
func (b *binary) analyse(processor string, l loop) (float64, error) {
	const rounds = 500
	if strings.HasPrefix(processor, "apple") {
		l = slices.Clone(l)
		for i := range l {
			l[i] = byElement.ReplaceAllString(l[i], "$1.4s")
		}
	}
	cmd := exec.Command("llvm-mca"+b.llvm, "-mtriple=aarch64", "-mcpu="+processor, fmt.Sprint("-iterations=", rounds))
	cmd.Stdin = strings.NewReader("loop:\n" + strings.Join(l, "\n") + "\n")
	var errors bytes.Buffer
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("llvm-mca: %w: %s", err, errors.Bytes())
	}
	m := total.FindSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("llvm-mca says no cycles: %s", out)
	}
	n, err := strconv.Atoi(string(m[1]))
	return float64(n) / rounds, err
}
