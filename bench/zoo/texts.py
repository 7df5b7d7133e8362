"""Language models: the modules are called as in Hugging Face's transformers."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from zoo import Model, seeded

WORDS, WIDTH, HEADS, LAYERS, POSITIONS, LABELS = 200, 32, 4, 4, 64, 3
LEAST = torch.finfo(torch.float32).min


def split_heads(x):
    return x.view(x.size(0), x.size(1), HEADS, WIDTH // HEADS).permute(0, 2, 1, 3)


def join_heads(x):
    x = x.permute(0, 2, 1, 3).contiguous()
    return x.view(x.size(0), x.size(1), WIDTH)


def attend(q, k, v, bias, scale=1 / math.sqrt(WIDTH // HEADS)):
    scores = torch.matmul(q, k.transpose(-1, -2)) * scale
    return torch.matmul(torch.softmax(scores + bias, dim=-1), v)


def mask_bias(mask):
    return (1.0 - mask[:, None, None, :].float()) * LEAST


class Namespace(nn.Module):
    """A module with the given children, for names as other people chose them."""

    def __init__(self, **children):
        super().__init__()
        for name, child in children.items():
            setattr(self, name, child)


class BertEmbeddings(nn.Module):
    def __init__(self, padding_offset=False, types=True):
        super().__init__()
        self.word_embeddings = nn.Embedding(WORDS, WIDTH)
        self.position_embeddings = nn.Embedding(POSITIONS, WIDTH)
        if types:
            self.token_type_embeddings = nn.Embedding(2, WIDTH)
        self.LayerNorm = nn.LayerNorm(WIDTH, 1e-12)
        self.register_buffer("position_ids", torch.arange(POSITIONS)[None])
        self.padding_offset, self.types = padding_offset, types

    def forward(self, ids, types=None):
        if self.padding_offset:  # RoBERTa: padding has position 1, words count from 2
            real = ids.ne(1).int()
            positions = (torch.cumsum(real, 1).type_as(real) * real).long() + 1
        else:
            positions = self.position_ids[:, : ids.size(1)]
        x = self.word_embeddings(ids) + self.position_embeddings(positions)
        if self.types:
            x = x + self.token_type_embeddings(torch.zeros_like(ids) if types is None else types)
        return self.LayerNorm(x)


class BertSelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))

    def forward(self, x, bias):
        return join_heads(attend(split_heads(self.query(x)), split_heads(self.key(x)), split_heads(self.value(x)), bias))


class BertOutput(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.dense, self.LayerNorm = nn.Linear(width, WIDTH), nn.LayerNorm(WIDTH, 1e-12)

    def forward(self, x, residual):
        return self.LayerNorm(self.dense(x) + residual)


class BertAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.self, self.output = BertSelfAttention(), BertOutput(WIDTH)

    def forward(self, x, bias):
        return self.output(self.self(x, bias), x)


class BertIntermediate(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(WIDTH, 4 * WIDTH)

    def forward(self, x):
        return F.gelu(self.dense(x))


class BertLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention, self.intermediate, self.output = BertAttention(), BertIntermediate(), BertOutput(4 * WIDTH)

    def forward(self, x, bias):
        x = self.attention(x, bias)
        return self.output(self.intermediate(x), x)


class BertEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.ModuleList(BertLayer() for _ in range(LAYERS))

    def forward(self, x, bias):
        for layer in self.layer:
            x = layer(x, bias)
        return x


class BertPooler(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        return torch.tanh(self.dense(x[:, 0]))


class BertModel(nn.Module):
    def __init__(self, pooler=True, **embeddings):
        super().__init__()
        self.embeddings, self.encoder = BertEmbeddings(**embeddings), BertEncoder()
        if pooler:
            self.pooler = BertPooler()
        self.pools = pooler

    def forward(self, ids, mask, types=None):
        x = self.encoder(self.embeddings(ids, types), mask_bias(mask))
        return (x, self.pooler(x)) if self.pools else (x,)


class BertForSequenceClassification(nn.Module):
    def __init__(self):
        super().__init__()
        self.bert, self.dropout, self.classifier = BertModel(), nn.Dropout(0.1), nn.Linear(WIDTH, LABELS)

    def forward(self, ids, mask, types):
        return self.classifier(self.dropout(self.bert(ids, mask, types)[1]))


class BertForTokenClassification(nn.Module):
    def __init__(self):
        super().__init__()
        self.bert, self.dropout, self.classifier = BertModel(pooler=False), nn.Dropout(0.1), nn.Linear(WIDTH, 5)

    def forward(self, ids, mask, types):
        return self.classifier(self.dropout(self.bert(ids, mask, types)[0]))


class SentenceEncoder(nn.Module):
    """MiniLM as sentence-transformers has it: the mean over the mask, of length 1."""

    def __init__(self):
        super().__init__()
        self.bert = BertModel(pooler=False)

    def forward(self, ids, mask, types):
        x = self.bert(ids, mask, types)[0]
        m = mask[:, :, None].expand(x.size()).float()
        mean = torch.sum(x * m, 1) / torch.clamp(m.sum(1), min=1e-9)
        return x, F.normalize(mean, p=2.0, dim=1)


class RobertaClassificationHead(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense, self.out_proj = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, LABELS)

    def forward(self, x):
        return self.out_proj(torch.tanh(self.dense(x[:, 0, :])))


class RobertaForSequenceClassification(nn.Module):
    def __init__(self):
        super().__init__()
        self.roberta, self.classifier = BertModel(pooler=False, padding_offset=True), RobertaClassificationHead()

    def forward(self, ids, mask):
        return self.classifier(self.roberta(ids, mask)[0])


class DistilBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = Namespace(**{n: nn.Linear(WIDTH, WIDTH) for n in ("q_lin", "k_lin", "v_lin", "out_lin")})
        self.sa_layer_norm = nn.LayerNorm(WIDTH, 1e-12)
        self.ffn = Namespace(lin1=nn.Linear(WIDTH, 4 * WIDTH), lin2=nn.Linear(4 * WIDTH, WIDTH))
        self.output_layer_norm = nn.LayerNorm(WIDTH, 1e-12)

    def forward(self, x, mask):
        a = self.attention
        q, k, v = split_heads(a.q_lin(x)) / math.sqrt(WIDTH // HEADS), split_heads(a.k_lin(x)), split_heads(a.v_lin(x))
        scores = torch.matmul(q, k.transpose(2, 3))
        scores = scores.masked_fill((mask == 0).view(mask.size(0), 1, 1, mask.size(1)).expand_as(scores), LEAST)
        x = self.sa_layer_norm(a.out_lin(join_heads(torch.matmul(F.softmax(scores, -1), v))) + x)
        return self.output_layer_norm(self.ffn.lin2(F.gelu(self.ffn.lin1(x))) + x)


class DistilBertForSequenceClassification(nn.Module):
    def __init__(self):
        super().__init__()
        self.distilbert = Namespace(embeddings=BertEmbeddings(types=False), transformer=Namespace(layer=nn.ModuleList(DistilBlock() for _ in range(LAYERS))))
        self.pre_classifier, self.dropout, self.classifier = nn.Linear(WIDTH, WIDTH), nn.Dropout(0.2), nn.Linear(WIDTH, LABELS)

    def forward(self, ids, mask):
        x = self.distilbert.embeddings(ids)
        for layer in self.distilbert.transformer.layer:
            x = layer(x, mask)
        return self.classifier(self.dropout(F.relu(self.pre_classifier(x[:, 0]))))


class Conv1D(nn.Module):
    """A linear layer with its weight the other way round, as GPT-2 has it."""

    def __init__(self, out, width):
        super().__init__()
        self.weight, self.bias, self.out = nn.Parameter(torch.randn(width, out) * 0.1), nn.Parameter(torch.zeros(out)), out

    def forward(self, x):
        return torch.addmm(self.bias, x.view(-1, x.size(-1)), self.weight).view(x.size()[:-1] + (self.out,))


class GPT2Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.c_attn, self.c_proj = Conv1D(3 * WIDTH, WIDTH), Conv1D(WIDTH, WIDTH)
        self.register_buffer("bias", torch.tril(torch.ones(POSITIONS, POSITIONS, dtype=torch.uint8))[None, None])

    def forward(self, x, mask):
        q, k, v = (split_heads(t) for t in self.c_attn(x).split(WIDTH, dim=2))
        scores = torch.matmul(q, k.transpose(-1, -2)) / math.sqrt(WIDTH // HEADS)
        t = x.size(1)
        scores = torch.where(self.bias[:, :, :t, :t].bool(), scores, torch.full([], LEAST)) + mask
        return self.c_proj(join_heads(torch.matmul(torch.softmax(scores, -1), v)))


class GPT2MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.c_fc, self.c_proj = Conv1D(4 * WIDTH, WIDTH), Conv1D(WIDTH, 4 * WIDTH)

    def forward(self, x):
        x = self.c_fc(x)
        return self.c_proj(0.5 * x * (1.0 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * torch.pow(x, 3.0)))))


class GPT2Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1, self.attn, self.ln_2, self.mlp = nn.LayerNorm(WIDTH), GPT2Attention(), nn.LayerNorm(WIDTH), GPT2MLP()

    def forward(self, x, mask):
        x = self.attn(self.ln_1(x), mask) + x
        return x + self.mlp(self.ln_2(x))


class GPT2Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(WORDS, WIDTH), nn.Embedding(POSITIONS, WIDTH)
        self.h, self.ln_f = nn.ModuleList(GPT2Block() for _ in range(LAYERS)), nn.LayerNorm(WIDTH)

    def forward(self, ids, mask):
        x = self.wte(ids) + self.wpe(torch.arange(0, ids.size(1))[None])
        bias = mask_bias(mask)
        for block in self.h:
            x = block(x, bias)
        return self.ln_f(x)


class GPT2ForSequenceClassification(nn.Module):
    """Scores the last word of each text."""

    def __init__(self):
        super().__init__()
        self.transformer, self.score = GPT2Model(), nn.Linear(WIDTH, LABELS, bias=False)

    def forward(self, ids, mask):
        scores = self.score(self.transformer(ids, mask))
        last = torch.ne(ids, 0).sum(-1) - 1
        return scores[torch.arange(ids.size(0)), last]


class GPT2LMHeadModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.transformer, self.lm_head = GPT2Model(), nn.Linear(WIDTH, WORDS, bias=False)
        self.lm_head.weight = self.transformer.wte.weight

    def forward(self, ids, mask):
        return self.lm_head(self.transformer(ids, mask))


class T5LayerNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(WIDTH) + 0.5)

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


class T5Attention(nn.Module):
    def __init__(self, first):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4))
        if first:
            self.relative_attention_bias = nn.Embedding(32, HEADS)

    def buckets(self, t):
        at = torch.arange(t)
        distance = at[None, :] - at[:, None]
        buckets = (distance > 0).long() * 16
        distance = torch.abs(distance)
        far = 8 + (torch.log(distance.float() / 8) / math.log(128 / 8) * 8).long()
        far = torch.min(far, torch.full_like(far, 15))
        buckets = buckets + torch.where(distance < 8, distance, far)
        return self.relative_attention_bias(buckets).permute([2, 0, 1])[None]

    def forward(self, x, bias):
        return self.o(join_heads(attend(split_heads(self.q(x)), split_heads(self.k(x)), split_heads(self.v(x)), bias, 1)))


class T5LayerSelfAttention(nn.Module):
    def __init__(self, first):
        super().__init__()
        self.SelfAttention, self.layer_norm = T5Attention(first), T5LayerNorm()

    def forward(self, x, bias):
        return x + self.SelfAttention(self.layer_norm(x), bias)


class T5DenseReluDense(nn.Module):
    def __init__(self):
        super().__init__()
        self.wi, self.wo = nn.Linear(WIDTH, 4 * WIDTH, bias=False), nn.Linear(4 * WIDTH, WIDTH, bias=False)

    def forward(self, x):
        return self.wo(F.relu(self.wi(x)))


class T5LayerFF(nn.Module):
    def __init__(self):
        super().__init__()
        self.DenseReluDense, self.layer_norm = T5DenseReluDense(), T5LayerNorm()

    def forward(self, x):
        return x + self.DenseReluDense(self.layer_norm(x))


class T5Block(nn.Module):
    def __init__(self, first):
        super().__init__()
        self.layer = nn.ModuleList([T5LayerSelfAttention(first), T5LayerFF()])

    def forward(self, x, bias):
        return self.layer[1](self.layer[0](x, bias))


class T5Stack(nn.Module):
    def __init__(self):
        super().__init__()
        self.block, self.final_layer_norm = nn.ModuleList(T5Block(i == 0) for i in range(LAYERS)), T5LayerNorm()

    def forward(self, x, mask):
        bias = self.block[0].layer[0].SelfAttention.buckets(x.size(1)) + mask_bias(mask)
        for block in self.block:
            x = block(x, bias)
        return self.final_layer_norm(x)


class T5EncoderModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.shared, self.encoder = nn.Embedding(WORDS, WIDTH), T5Stack()

    def forward(self, ids, mask):
        return self.encoder(self.shared(ids), mask)


class Tagger(nn.Module):
    """A class for every word, by recurrence in both directions."""

    def __init__(self, kind):
        super().__init__()
        self.embedding = nn.Embedding(5 * WORDS, WIDTH)  # most of the weights, as in any tagger
        self.rnn = kind(WIDTH, WIDTH, num_layers=2, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(2 * WIDTH, 5)

    def forward(self, ids):
        return self.fc(self.rnn(self.embedding(ids))[0])


class LastState(nn.Module):
    """A class for a text, of the last state of a recurrence."""

    def __init__(self):
        super().__init__()
        self.embedding, self.lstm, self.fc = nn.Embedding(5 * WORDS, WIDTH), nn.LSTM(WIDTH, WIDTH, num_layers=2, batch_first=True), nn.Linear(WIDTH, LABELS)

    def forward(self, ids):
        return self.fc(self.lstm(self.embedding(ids))[1][0][-1])


def models():
    ids = torch.randint(5, WORDS, (2, 12), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[1, 9:] = 0
    ids[1, 9:] = 0
    three = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}
    two = {"input_ids": ids, "attention_mask": mask}
    one = {"input_ids": ids}

    def model(name, module, inputs, outputs, **found):
        return Model(name, "texts", module, inputs, outputs, axes={k: {1: "sequence"} for k in inputs}, **found)

    def layers(path, n=LAYERS):
        return [f"{path}.{i}/" for i in range(n)]

    bert = layers("/bert/encoder/layer")
    return [
        model("bert-classifier", seeded(BertForSequenceClassification), three, ["logits"], reads="/classifier/", parts=bert, blocks=(5, 6)),
        model("bert-tokens", seeded(BertForTokenClassification), three, ["logits"], reads="/classifier/", parts=bert, blocks=(5, 5)),
        model("bert-trunk", seeded(BertModel), three, ["last_hidden_state", "pooler_output"], gives="last_hidden_state or pooler_output", parts=layers("/encoder/layer"), blocks=(5, 6)),
        model("minilm", seeded(BertModel, pooler=False), three, ["last_hidden_state"], gives="last_hidden_state", parts=layers("/encoder/layer"), blocks=(5, 5)),
        model("minilm-sentence", seeded(SentenceEncoder), three, ["token_embeddings", "sentence_embedding"], gives="sentence_embedding or token_embeddings", parts=bert, blocks=(5, 5)),
        model("distilbert", seeded(DistilBertForSequenceClassification), two, ["logits"], reads="/classifier/", parts=layers("/distilbert/transformer/layer") + layers("/layer"), blocks=(5, 6)),
        model("roberta", seeded(RobertaForSequenceClassification), two, ["logits"], reads="/classifier/out_proj/", parts=layers("/roberta/encoder/layer"), blocks=(5, 6)),
        model("gpt2-classifier", seeded(GPT2ForSequenceClassification), two, ["logits"], reads="/score/", refused={"opset14-fixed": "its data and its indices hold the batch"}, parts=layers("/transformer/h"), blocks=(5, 5)),
        model("gpt2-lm", seeded(GPT2LMHeadModel), two, ["logits"], reads="/lm_head/", parts=layers("/transformer/h"), blocks=(5, 5)),
        model("t5-encoder", seeded(T5EncoderModel), two, ["last_hidden_state"], gives="last_hidden_state", parts=layers("/encoder/block"), blocks=(5, 5)),
        model("lstm-tagger", seeded(Tagger, nn.LSTM), one, ["tags"], reads="/fc/", blocks=(3, 3)),
        model("gru-tagger", seeded(Tagger, nn.GRU), one, ["tags"], reads="/fc/", blocks=(3, 3)),
        model("lstm-last-state", seeded(LastState), one, ["logits"], reads="/fc/", blocks=(3, 3)),
    ]
