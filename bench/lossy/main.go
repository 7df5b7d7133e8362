//go:build linux

// Lossy is a network switch that delays every frame and loses some, for tests of what goes over bad
// networks where the kernel has no netem. It makes a TAP device for each name that it is given, and
// runs until it is killed. The devices may be moved into network namespaces.
//
//	lossy -delay 50ms -loss 0.01 port1 port2
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// port is a TAP device. Frames leave it in the order in which they came, each after the delay.
type port struct {
	*os.File
	out chan frame
}

type frame struct {
	at      time.Time
	content []byte
}

func main() {
	delay := flag.Duration("delay", 50*time.Millisecond, "`TIME` that each frame takes")
	loss := flag.Float64("loss", 0.01, "share `P` of the frames that are lost")
	flag.Parse()
	var ports []*port
	for _, name := range flag.Args() {
		p, err := open(name)
		if err != nil {
			fmt.Fprintln(os.Stderr, "lossy:", err)
			os.Exit(1)
		}
		ports = append(ports, p)
	}
	fmt.Println("ready")
	var running sync.WaitGroup
	var mu sync.Mutex
	at := map[[6]byte]*port{} // where an address was heard
	for _, p := range ports {
		running.Go(func() {
			for f := range p.out {
				time.Sleep(time.Until(f.at))
				_, _ = p.Write(f.content) // a device that is down loses it
			}
		})
		running.Go(func() {
			buf := make([]byte, 1<<16)
			for {
				n, err := p.Read(buf)
				if err != nil {
					time.Sleep(10 * time.Millisecond) // it is down
					continue
				}
				if n < 14 || rand.Float64() < *loss {
					continue
				}
				f := frame{time.Now().Add(*delay), append([]byte(nil), buf[:n]...)}
				mu.Lock()
				at[[6]byte(f.content[6:12])] = p
				to := at[[6]byte(f.content[:6])]
				mu.Unlock()
				for _, other := range ports {
					if other == p || to != nil && other != to {
						continue
					}
					select {
					case other.out <- f:
					default: // as a switch whose queue is full
					}
				}
			}
		})
	}
	running.Wait()
}

// open makes a TAP device.
func open(name string) (*port, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	req, err := unix.NewIfreq(name)
	if err != nil {
		return nil, err
	}
	req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		return nil, fmt.Errorf("device %s: %w", name, err)
	}
	return &port{os.NewFile(uintptr(fd), name), make(chan frame, 4096)}, nil
}
