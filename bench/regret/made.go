package main

import (
	"errors"
	"fmt"
	"image"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/permafrost-ml/permafrost/internal/demo"
)

// Some pairs have data that are made from others, or drawn: what users have, and the data in the
// shared folder have not. The same program makes the same data every time.

// change makes the folder to, with a folder train and, if the validation examples change too, val,
// from the folders of another pair.
type change func(train, val, to string) error

// made gives the folders that a change makes.
func (d *driver) made(name string, c change, train, val string) (string, string, error) {
	to := filepath.Join(d.tmp, "made-"+name)
	if _, err := os.Stat(to); errors.Is(err, os.ErrNotExist) {
		part := to + ".part"
		if err := os.RemoveAll(part); err != nil {
			return "", "", err
		}
		if err := c(train, val, part); err != nil {
			return "", "", fmt.Errorf("making %s: %w", to, err)
		}
		if err := os.Rename(part, to); err != nil {
			return "", "", err
		}
	} else if err != nil {
		return "", "", err
	}
	if _, err := os.Stat(filepath.Join(to, "val")); err == nil {
		val = filepath.Join(to, "val")
	}
	return filepath.Join(to, "train"), val, nil
}

// eachFile calls do for every file of every class folder, with its place among those of the class.
func eachFile(dir string, do func(class, file string, k, of int) error) error {
	classes, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, c := range classes {
		files, err := os.ReadDir(filepath.Join(dir, c.Name()))
		if err != nil {
			return err
		}
		for k, f := range files {
			if err := do(c.Name(), f.Name(), k, len(files)); err != nil {
				return err
			}
		}
	}
	return nil
}

// link links a file into a class folder, under a name that no other file has there.
func link(from, class, file, to, as string) error {
	if err := os.MkdirAll(filepath.Join(to, as), 0o777); err != nil {
		return err
	}
	return os.Symlink(filepath.Join(from, class, file), filepath.Join(to, as, class+"-"+file))
}

// noisy gives a share of the training examples a wrong label.
func noisy(share float64) change {
	return func(train, _, to string) error {
		classes, err := os.ReadDir(train)
		if err != nil {
			return err
		}
		r := rand.New(rand.NewPCG(1, 0))
		at := map[string]int{}
		for k, c := range classes {
			at[c.Name()] = k
		}
		return eachFile(train, func(class, file string, _, _ int) error {
			as := class
			if r.Float64() < share {
				as = classes[(at[class]+1+r.IntN(len(classes)-1))%len(classes)].Name()
			}
			return link(train, class, file, filepath.Join(to, "train"), as)
		})
	}
}

// uneven leaves the last class a tenth of its training examples, and the others shares between.
func uneven(train, _, to string) error {
	classes, err := os.ReadDir(train)
	if err != nil {
		return err
	}
	keep := map[string]float64{}
	for k, c := range classes {
		keep[c.Name()] = 1 - 0.9*float64(k)/float64(len(classes)-1)
	}
	return eachFile(train, func(class, file string, k, of int) error {
		if float64(k) >= max(2, keep[class]*float64(of)) {
			return nil
		}
		return link(train, class, file, filepath.Join(to, "train"), class)
	})
}

// drawn draws letters: train and val pictures of each.
func drawn(a demo.Alphabet, train, val int) change {
	return func(_, _, to string) error {
		if err := a.Write(filepath.Join(to, "train"), "train", 1, train); err != nil {
			return err
		}
		return a.Write(filepath.Join(to, "val"), "val", 1, val)
	}
}

// frames draws objects of each letter and takes several frames of each: shifted by up to half a pixel,
// a little lighter or darker, with new noise. The validation pictures are of other objects.
func frames(a demo.Alphabet, objects, each, val int) change {
	return func(_, _, to string) error {
		if err := a.Write(filepath.Join(to, "val"), "val", 1, val); err != nil {
			return err
		}
		r := rand.New(rand.NewPCG(2, 0))
		for _, l := range a.Letters {
			dir := filepath.Join(to, "train", l.Name)
			if err := os.MkdirAll(dir, 0o777); err != nil {
				return err
			}
			for o := range objects {
				object, err := demo.Draw(r, l.Rune)
				if err != nil {
					return err
				}
				for f := range each {
					if err := writePNG(filepath.Join(dir, fmt.Sprintf("%02d-%02d.png", o, f)), frame(r, object)); err != nil {
						return err
					}
				}
			}
		}
		return nil
	}
}

// frame is a picture of an object that differs a little from others of it.
func frame(r *rand.Rand, object *image.Gray) *image.Gray {
	m := image.NewGray(object.Rect)
	dx, dy := r.Float64()-0.5, r.Float64()-0.5
	gain, offset := 0.95+0.1*r.Float64(), 10*r.Float64()-5
	at := func(x, y int) float64 {
		return float64(object.GrayAt(min(max(x, 0), demo.Side-1), min(max(y, 0), demo.Side-1)).Y)
	}
	for y := range demo.Side {
		for x := range demo.Side {
			// between the pixel and its neighbour in the direction of the shift
			sx, sy := 1, 1
			if dx < 0 {
				sx = -1
			}
			if dy < 0 {
				sy = -1
			}
			u, v := max(dx, -dx), max(dy, -dy)
			level := (1-u)*(1-v)*at(x, y) + u*(1-v)*at(x+sx, y) + (1-u)*v*at(x, y+sy) + u*v*at(x+sx, y+sy)
			m.Pix[y*m.Stride+x] = uint8(min(max(gain*level+offset+2*r.NormFloat64(), 0), 255))
		}
	}
	return m
}

func writePNG(path string, m image.Image) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := png.Encode(f, m); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// some keeps the classes 0 and 1, and every train-th and val-th of their files.
func some(train, val int) change {
	return func(trainDir, valDir, to string) error {
		for _, part := range []struct {
			name, from string
			every      int
		}{{"train", trainDir, train}, {"val", valDir, val}} {
			if err := eachFile(part.from, func(class, file string, k, _ int) error {
				if class > "1" || k%part.every != 0 {
					return nil
				}
				return link(part.from, class, file, filepath.Join(to, part.name), class)
			}); err != nil {
				return err
			}
		}
		return nil
	}
}
