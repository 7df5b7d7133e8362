#!/usr/bin/env python3
"""Hold what Permafrost finds in the models of the zoo against what is in them, and print the page docs/zoo.md.

    make.py DIR && node answers.mjs DIR && check.py DIR PERMAFROST [--only NAME]... [--no-fit]

For every file: outputs against ONNX Runtime's (1e-3 of the largest), what a fresh head reads, blocks (as many as expected, none with two parts
of the network), the share of the weights that last:1 thaws, the layout of pictures; then a fit of the head and of last:1 on a few
made-up examples, with the outcome verified. Exit status 1 where something is wrong; what it is stands on stderr.
"""

import argparse
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import wave

import numpy as np
from onnx import numpy_helper
from PIL import Image

NAMES = {"float32": np.float32, "int64": np.int64, "int32": np.int32, "uint8": np.uint8, "bool": np.bool_}


PAGE = """# Usual architectures

Small models with random weights, exported by PyTorch at operator sets 11, 14 and 17, with constants folded or not and with
a dynamic batch or a batch of 1, and built by hand in the forms of tf2onnx (Keras) and paddle2onnx. For each file the right
answers are known: what a new head must read, the channel layout, and where blocks must be separate.

Permafrost found all of this in every file below. Outputs: the largest difference from ONNX Runtime, relative to the largest
value. Fits: one epoch of the head and one of the head with the last block; `verify` found every frozen weight unchanged.
`last:1` is the share of the pretrained weights that it thaws. A file marked as refused cannot be tuned; an error says why.

```
python3 bench/zoo/make.py DIR && node bench/zoo/answers.mjs DIR && python3 bench/zoo/check.py DIR permafrost > docs/zoo.md
```
"""


class Wrong(Exception):
    """What Permafrost found is not what is there."""


def permafrost(binary, *args):
    """The result of a command, or Wrong with the first line of its error."""
    p = subprocess.run([binary, *args, "--json"], capture_output=True, text=True, timeout=300)
    if not p.stdout.strip():
        lines = [s for s in p.stderr.splitlines() if not s.startswith("note:")] or ["no error given"]
        raise Wrong(f"{args[0]}: {lines[-1]}")
    return json.loads(p.stdout)


def write_case(root, m, answers):
    folder = os.path.join(root, os.path.dirname(m["file"]))
    case = os.path.join(folder, m["variant"] + ".case")
    os.makedirs(case, exist_ok=True)
    largest = 0.0
    for role, arrays in (("input", m["inputs"]), ("output", answers)):
        for i, a in enumerate(arrays):
            x = np.fromfile(os.path.join(folder, a["file"]), NAMES[a["type"]]).reshape(a["shape"])
            if role == "output":
                largest = max(largest, float(np.abs(x).max()))
            with open(os.path.join(case, f"{role}_{i}.pb"), "wb") as f:
                f.write(numpy_helper.from_array(x, a["name"]).SerializeToString())
    return case, largest


def write_data(root):
    """Two classes of each kind that a network of random weights tells apart."""
    r = np.random.default_rng(3)
    for c, tone in (("low", 80), ("high", 170)):
        pictures, clips = os.path.join(root, "pictures", c), os.path.join(root, "sounds", c)
        os.makedirs(pictures, exist_ok=True)
        os.makedirs(clips, exist_ok=True)
        for i in range(6):
            x = np.clip(r.normal(tone, 30, (40, 40, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(x).save(os.path.join(pictures, f"{i}.png"))
            t = np.arange(1600) / 16000
            x = (8000 * np.sin(2 * np.pi * 10 * tone * t + i) + r.normal(0, 300, t.size)).astype("<i2")
            with wave.open(os.path.join(clips, f"{i}.wav"), "wb") as w:
                w.setnchannels(1), w.setsampwidth(2), w.setframerate(16000), w.writeframes(x.tobytes())
    words = [f"w{i}" for i in range(195)]
    with open(os.path.join(root, "texts.csv"), "w", newline="") as f:
        rows = csv.writer(f)
        rows.writerow(["text", "label"])
        for i in range(12):
            rows.writerow([" ".join(r.choice(words[:90] if i % 2 else words[90:], 5 + i % 4)), ["low", "high"][i % 2]])
    vocab = {w: i for i, w in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + words)}
    with open(os.path.join(root, "tokenizer.json"), "w") as f:
        json.dump({"version": "1.0", "added_tokens": [{"id": i, "content": t, "special": True, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False} for t, i in list(vocab.items())[:5]],
                   "pre_tokenizer": {"type": "Whitespace"}, "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "[UNK]"}}, f)
    with open(os.path.join(root, "sounds.json"), "w") as f:
        json.dump({"feature_extractor_type": "Wav2Vec2FeatureExtractor", "sampling_rate": 16000, "do_normalize": True, "feature_size": 1, "padding_value": 0.0, "window": 1600}, f)
    return {"pictures": os.path.join(root, "pictures"), "sounds": os.path.join(root, "sounds"), "texts": os.path.join(root, "texts.csv")}


class Checker:
    def __init__(self, binary, root):
        self.binary, self.root = binary, root
        self.data = write_data(os.path.join(root, "data"))
        with open(os.path.join(root, "answers.json")) as f:
            self.answers = json.load(f)

    def options(self, m):
        extra = []
        if m["kind"] == "pictures":
            extra += ["--size", str(m["size"])]
        if m["kind"] == "texts":
            extra += ["--tokenizer", os.path.join(self.root, "data", "tokenizer.json")]
        if m["kind"] == "sounds":
            extra += ["--preprocess", os.path.join(self.root, "data", "sounds.json")]
        return extra

    def outputs(self, m):
        """The largest difference from ONNX Runtime's outputs, as a part of the largest of their numbers."""
        answers = self.answers[m["file"]]
        if "error" in answers:
            return None  # not run by ONNX Runtime
        case, largest = write_case(self.root, m, answers)
        got = permafrost(self.binary, "run", os.path.join(self.root, m["file"]), "--data-set", case, "--rtol", "1e-3", "--atol", f"{1e-3 * largest:g}")
        if not got["pass"]:
            raise Wrong(f"outputs: off by {got['max_abs_error']:.3g}, of numbers up to {largest:.3g}")
        return got["max_abs_error"] / largest

    def found(self, m):
        """What a head reads, blocks, the share of last:1, layout."""
        model = os.path.join(self.root, m["file"])
        i = permafrost(self.binary, "inspect", model, "--data", self.data[m["kind"]], "--thaw", "head", "--thaw", "last:1", *self.options(m))
        notes = "\n".join(i["notes"])
        said = re.search(r'the head reads "([^"]*)", (\d+) features', notes)
        if not said:
            raise Wrong(f"no note of what the head reads: {notes}")
        wrong = []
        reads = said.group(1)
        if m["origins"].get(reads, reads) not in m["wanted"]:
            wrong.append(f"the head reads {reads}, want {m['wanted']}")
        blocks = i["blocks"]
        if not m["blocks"][0] <= len(blocks) <= m["blocks"][1]:
            wrong.append(f"{len(blocks)} blocks, want {m['blocks'][0]} to {m['blocks'][1]}: {[b['name'] for b in blocks]}")
        holds, seen = {}, set()
        for layer in i["layers"]:
            for part in m["parts"]:
                if layer.get("node", "").startswith(part) and layer.get("block"):
                    holds.setdefault(layer["block"], set()).add(part)
                    seen.add(part)
        for block, parts in holds.items():
            if len(parts) > 1:
                wrong.append(f"block {block} holds {sorted(parts)}")
        if len(seen) < 2 and len(m["parts"]) > 1:
            wrong.append(f"no layers below {m['parts']}")
        total = sum(b["params"] for b in blocks)
        share = sum(b["params_thawed"] for b in blocks) / max(total, 1)
        if not 0 < share < 0.5:
            wrong.append(f"last:1 thaws {100 * share:.0f}% ({blocks[-1]['name']})")
        layout = ""
        if m["kind"] == "pictures":
            layout = re.search(r"channels (first|last)", notes).group(1)
            if layout != m["layout"]:
                wrong.append(f"channels {layout}, want {m['layout']}")
        if wrong:
            raise Wrong("; ".join(wrong))
        return {"reads": reads, "features": int(said.group(2)), "blocks": len(blocks), "last": share, "layout": layout}

    def fits(self, m):
        model = os.path.join(self.root, m["file"])
        for name, thaw in (("head", []), ("last", ["--thaw", "head", "--thaw", "last:1"])):
            out = os.path.join(self.root, "runs", f"{os.getpid()}-{name}")
            permafrost(self.binary, "fit", "--model", model, "--data", self.data[m["kind"]], "--epochs", "1", "--batch", "4", "--out", out, *thaw, *self.options(m))
            if not permafrost(self.binary, "verify", model, os.path.join(out, "model.onnx"))["identical"]:
                raise Wrong(f"verify: frozen weights changed ({name})")
            shutil.rmtree(out)
        return "verified"


def span(values):
    values = sorted(set(values))
    return str(values[0]) if len(values) == 1 else f"{values[0]} to {values[-1]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root")
    parser.add_argument("permafrost")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--no-fit", action="store_true")
    args = parser.parse_args()
    check = Checker(args.permafrost, args.root)
    with open(os.path.join(args.root, "manifest.json")) as f:
        manifest = [m for m in json.load(f) if not args.only or m["model"] in args.only or m["file"] in args.only]
    rows, failed = {}, 0
    for m in manifest:
        result, problems = {}, []
        if m["refused"]:
            try:
                check.found(m)
                problems.append(f"not refused, want: {m['refused']}")
            except Wrong as err:
                if m["refused"] not in str(err):
                    problems.append(str(err))
            failed += bool(problems)
            rows.setdefault(m["model"], []).append((m["variant"] + " (refused)", {}, problems))
            continue
        for step in ("outputs", "found", "fits"):
            if step == "fits" and args.no_fit:
                continue
            try:
                got = getattr(check, step)(m)
                result.update(got if isinstance(got, dict) else {step: got})
            except (Wrong, subprocess.TimeoutExpired) as err:
                problems.append(str(err))
        for p in problems:
            print(f"{m['file']}: {p}", file=sys.stderr, flush=True)
        failed += bool(problems)
        rows.setdefault(m["model"], []).append((m["variant"], result, problems))
    print(PAGE)
    print("| model | files | a head reads | features | layout | blocks | last:1 | outputs | fits |\n|---|---|---|---|---|---|---|---|---|")
    for name, files in rows.items():
        good = [r for _, r, p in files if r and not p]
        if any(p for _, _, p in files):
            print(f"| {name} | {len(good)} of {len(files)} right | {'; '.join(sorted({q for _, _, p in files for q in p}))[:200]} | | | | | | |")
            continue
        print(f"| {name} | {', '.join(v for v, _, _ in files)} | `{good[0]['reads']}` | {good[0]['features']} | {good[0]['layout']} | {span(r['blocks'] for r in good)} | "
              f"{span(round(100 * r['last']) for r in good)}% | {max(r['outputs'] or 0 for r in good):.0e}{'' if all(r['outputs'] is not None for r in good) else ' where ONNX Runtime runs it'} | {good[0].get('fits', '')} |")
    print(f"\n{len(manifest) - failed} of {len(manifest)} files right", file=sys.stderr)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
