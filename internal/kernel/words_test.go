package kernel

import (
	"bytes"
	"debug/elf"
	le "encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var word = regexp.MustCompile(`(?m)^\tWORD \$0x([0-9a-f]{8}) // (.*)$`)

// The words in the assembly of arm64 are the instructions that their comments name.
func TestWords(t *testing.T) {
	as, err := exec.LookPath("aarch64-linux-gnu-as")
	if err != nil {
		t.Skip("needs aarch64-linux-gnu-as: apt-get install binutils-aarch64-linux-gnu")
	}
	files, err := filepath.Glob("*_arm64.s")
	if err != nil || len(files) == 0 {
		t.Fatal("no assembly for arm64", err)
	}
	words := map[string]uint32{} // by mnemonic
	var source strings.Builder
	var order []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(text, []byte("WORD")); n != len(word.FindAll(text, -1)) {
			t.Errorf("%s: of %d words some have no comment", f, n)
		}
		for _, m := range word.FindAllSubmatch(text, -1) {
			v, err := strconv.ParseUint(string(m[1]), 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			name := string(m[2])
			if old, ok := words[name]; ok && old != uint32(v) {
				t.Errorf("%s: %s is %#08x and %#08x", f, name, old, v)
			} else if !ok {
				words[name] = uint32(v)
				order = append(order, name)
				source.WriteString(name + "\n")
			}
		}
	}
	object := filepath.Join(t.TempDir(), "words.o")
	cmd := exec.Command(as, "-o", object)
	cmd.Stdin = strings.NewReader(source.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	o, err := elf.Open(object)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	code, err := o.Section(".text").Data()
	if err != nil {
		t.Fatal(err)
	}
	if len(code) != 4*len(order) {
		t.Fatalf("%d bytes for %d instructions", len(code), len(order))
	}
	for i, name := range order {
		if want := le.LittleEndian.Uint32(code[4*i:]); words[name] != want {
			t.Errorf("%s is %#08x, not %#08x", name, want, words[name])
		}
	}
}
