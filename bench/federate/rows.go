package main

import (
	"fmt"
	"strings"
)

// row is one run.
type row struct {
	section, name string
	args          []string
}

func (r *row) key() string { return r.section + ": " + r.name }

// seeds of the accuracies that are compared.
var seeds = []int{1, 2, 3}

const (
	signs = "--model shared/models/resnet20-cifar10.onnx --data shared/data/sign-digits"
	ants  = "--model shared/models/mobilenetv1-imagenet-trunk.onnx --data shared/data/ants-bees"
)

// techniques of sending less, on last:1 and the head unless they say otherwise.
var techniques = []struct{ name, args string }{
	{"everything thawed", "--thaw all"},
	{"last stage and head", "--thaw layer3,head"},
	{"last:1 and head", "--thaw last:1,head"},
	{"last:1 and head, fp16", "--thaw last:1,head --compress fp16"},
	{"last:1 and head, int8", "--thaw last:1,head --compress int8"},
	{"last:1 and head, topk:0.1", "--thaw last:1,head --compress topk:0.1"},
	{"last:1 and head, topk:0.05", "--thaw last:1,head --compress topk:0.05"},
	{"last:1 and head, apf", "--thaw last:1,head --freeze-rounds apf"},
	{"last:1 and head, apf, int8", "--thaw last:1,head --freeze-rounds apf --compress int8"},
	{"last stage and head, fedpart", "--thaw layer3,head --freeze-rounds fedpart"},
	{"last stage and head, fedpart, int8", "--thaw layer3,head --freeze-rounds fedpart --compress int8"},
	{"adapters lora:4", "--adapter lora:4"},
	{"adapters lora:4, int8", "--adapter lora:4 --compress int8"},
	{"head", "--thaw head"},
	{"head, int8", "--thaw head --compress int8"},
}

var (
	robust   = []string{"fedavg", "median", "trimmed:0.25", "clip", "krum:4", "multikrum:4", "bulyan:4"}
	lies     = []string{"flip", "scale", "random"}
	epsilons = []string{"1", "2", "4", "8", "16", "64"}
	depths   = []string{"head", "last:1,head", "all"}
)

// rows lists all runs.
func rows() []row {
	var out []row
	add := func(section, name, args string) {
		out = append(out, row{section, name, strings.Fields(args)})
	}
	simulate := "federate simulate "
	for _, seed := range seeds {
		s := fmt.Sprintf(" --seed %d", seed)
		n := fmt.Sprintf(", seed %d", seed)
		for _, thaw := range []string{"layer3,head", "last:1,head"} {
			add("central", "sign-digits "+thaw+", one fit"+n, "fit "+signs+" --thaw "+thaw+s)
			add("central", "sign-digits "+thaw+", iid"+n, simulate+signs+" --rounds 20 --thaw "+thaw+s)
			add("central", "sign-digits "+thaw+", dirichlet:0.3"+n, simulate+signs+" --rounds 20 --partition dirichlet:0.3 --thaw "+thaw+s)
		}
		for _, d := range []struct{ name, args string }{{"sign-digits", signs}, {"ants-bees", ants}} {
			add("central", d.name+" head, one fit"+n, "fit "+d.args+s)
			add("central", d.name+" head, iid"+n, simulate+d.args+" --rounds 20"+s)
			add("central", d.name+" head, iid, int8"+n, simulate+d.args+" --rounds 20 --compress int8"+s)
			add("oneshot", d.name+" fedpft"+n, simulate+d.args+" --strategy fedpft"+s)
		}
	}
	for _, t := range techniques {
		add("bytes", t.name, simulate+signs+" --rounds 20 "+t.args)
	}
	for _, n := range []int{10, 30, 100, 300, 1000} {
		add("scale", fmt.Sprintf("%d clients, head", n), fmt.Sprintf("%s%s --rounds 10 --clients %d", simulate, signs, n))
		add("scale", fmt.Sprintf("%d clients, last:1 and head, int8", n), fmt.Sprintf("%s%s --rounds 3 --clients %d --thaw last:1,head --epochs 1 --compress int8", simulate, signs, n))
	}
	base := simulate + signs + " --rounds 20 --clients 20 --thaw last:1,head --epochs 2"
	add("faults", "nobody drops or lies, fedavg", base)
	for _, s := range robust {
		if s != "bulyan:4" { // it needs 19 clients
			add("faults", "30% drop, "+s, base+" --drop 0.3 --strategy "+s)
		}
		if s != "fedavg" {
			add("faults", "nobody drops or lies, "+s, base+" --strategy "+s)
		}
		for _, lie := range lies {
			add("faults", "20% lie: "+lie+", "+s, base+" --malicious 0.2 --lie "+lie+" --strategy "+s)
		}
	}
	private := simulate + signs + " --rounds 20 --clients 100 --batchnorm frozen --epochs 5"
	for _, thaw := range depths {
		add("privacy", thaw+", none", private+" --thaw "+thaw)
		for _, e := range epsilons {
			add("privacy", thaw+", epsilon "+e, private+" --thaw "+thaw+" --dp-epsilon "+e+" --dp-clip 0.5")
		}
	}
	secret := simulate + signs + " --rounds 10 --clients 20 --drop 0.3 --thaw last:1,head"
	add("secure", "plain, 30% drop", secret)
	add("secure", "secure, 30% drop", secret+" --secure --min-clients 3")
	weak := simulate + signs + " --rounds 20 --clients 12 --thaw all"
	add("weak", "nobody is weak", weak)
	add("weak", "a third can train the head, a third last:1", weak+" --client-memory 5MB,6MB,0")
	add("weak", "the weak are left out", simulate+signs+" --rounds 20 --clients 12 --thaw all --client-memory 1kB,1kB,0")
	add("weak", "everybody trains the head alone", simulate+signs+" --rounds 20 --clients 12 --thaw head --attach /Flatten_output_0")
	return out
}
