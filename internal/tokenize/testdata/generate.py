"""Writes the small tokenizers of the tests: byte-level BPE, BPE that falls back to bytes, WordPiece and Unigram, learnt from a few sentences.

python3 generate.py && node reference.mjs
"""
import collections
import json
import math

CORPUS = """the quick brown fox jumps over the lazy dog . she said that it's the best of all worlds , isn't it ?
they were reading the newest books about networks and learning ; learners learn by reading the world 's books !
we'll be there in 2024 , at 10:30 , with 1234 more people who don't believe they've heard it all before .
naïve café owners in zürich serve crème brûlée ; über alles ! 東京 は 大きい 。 привет мир""".split()


def byte_letters():
    keep = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    out, n = {}, 0
    for b in range(256):
        if b in keep:
            out[b] = chr(b)
        else:
            out[b] = chr(256 + n)
            n += 1
    return out


def learn(words, merges, vocab):
    """Learns merges over words given as lists of symbols."""
    words = collections.Counter(tuple(w) for w in words)
    out = []
    for _ in range(merges):
        pairs = collections.Counter()
        for w, n in words.items():
            for p in zip(w, w[1:]):
                pairs[p] += n
        if not pairs:
            break
        best = min(pairs, key=lambda p: (-pairs[p], p))
        if pairs[best] < 2:
            break
        out.append(list(best))
        new = best[0] + best[1]
        if new not in vocab:
            vocab[new] = len(vocab)
        merged = collections.Counter()
        for w, n in words.items():
            s, i = [], 0
            while i < len(w):
                if tuple(w[i:i + 2]) == best:
                    s.append(new)
                    i += 2
                else:
                    s.append(w[i])
                    i += 1
            merged[tuple(s)] += n
        words = merged
    return out


def token(i, s, normalized=False):
    return {"id": i, "content": s, "single_word": False, "lstrip": False, "rstrip": False, "normalized": normalized, "special": True}


def template(cls, sep, ids):
    single = [{"SpecialToken": {"id": cls, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": sep, "type_id": 0}}]
    pair = single + [{"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": sep, "type_id": 1}}]
    return {"type": "TemplateProcessing", "single": single, "pair": pair,
            "special_tokens": {s: {"id": s, "ids": [ids[s]], "tokens": [s]} for s in (cls, sep)}}


def write(name, t):
    with open(name + ".tokenizer.json", "w") as f:
        json.dump({"version": "1.0", "truncation": None, "padding": None, **t}, f, ensure_ascii=False, separators=(",", ":"))


letters = byte_letters()
vocab = {c: i for i, c in enumerate(sorted(letters.values()))}
merges = learn([[letters[b] for b in (" " + w).encode()] for w in CORPUS], 150, vocab)
end = len(vocab)
vocab["<|end|>"] = end
write("bytelevel", {
    "added_tokens": [token(end, "<|end|>")], "normalizer": None,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
    "post_processor": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True},
    "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "", "end_of_word_suffix": "", "fuse_unk": False,
              "byte_fallback": False, "vocab": vocab, "merges": [" ".join(m) for m in merges]}})

vocab = {"<unk>": 0, "<s>": 1, "</s>": 2}
for b in range(256):
    vocab["<0x%02X>" % b] = len(vocab)
for c in sorted(set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,;:!?'▁")):
    vocab[c] = len(vocab)
words = [[c for c in "▁" + w if c in vocab] for w in CORPUS]
merges = learn(words, 150, vocab)
write("bytefallback", {
    "added_tokens": [token(0, "<unk>"), token(1, "<s>"), token(2, "</s>")],
    "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
    "pre_tokenizer": None, "post_processor": template("<s>", "</s>", vocab),
    "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
                                                 {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
    "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": True,
              "byte_fallback": True, "ignore_merges": False, "vocab": vocab, "merges": merges}})

vocab = {s: i for i, s in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])}
for c in sorted(set("abcdefghijklmnopqrstuvwxyz0123456789.,;:!?'京東大")):
    vocab[c] = len(vocab)
    if c.isalnum():
        vocab["##" + c] = len(vocab)
for w in sorted(set(CORPUS)):
    if w.isascii() and w.isalpha():
        for s in (w, w[:4], "##" + w[4:], "##" + w[-3:]):
            if s not in ("", "##") and s not in vocab:
                vocab[s] = len(vocab)
write("wordpiece", {
    "added_tokens": [token(i, s) for s, i in vocab.items() if s.startswith("[")],
    "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True},
    "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": template("[CLS]", "[SEP]", vocab),
    "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": vocab}})

pieces = collections.Counter()
for w in CORPUS:
    w = "▁" + w
    for i in range(len(w)):
        for j in range(i + 1, min(len(w), i + 6) + 1):
            pieces[w[i:j]] += 1
kept = [(s, n) for s, n in pieces.items() if len(s) == 1 or n > 1]
kept.sort(key=lambda p: (-p[1] * len(p[0]), p[0]))
total = sum(n for _, n in kept)
entries = [["<s>", 0.0], ["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0]]
entries += [[s, round(math.log(n / total) + 0.5 * (len(s) - 1), 4)] for s, n in kept]
ids = {s: i for i, (s, _) in enumerate(entries)}
write("unigram", {
    "added_tokens": [token(i, s) for i, (s, _) in enumerate(entries[:4])], "normalizer": {"type": "NFKC"},
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True}]},
    "post_processor": template("<s>", "</s>", ids), "decoder": {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True},
    "model": {"type": "Unigram", "unk_id": 3, "vocab": entries}})
