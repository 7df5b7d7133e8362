// Writes ids.json: what @huggingface/transformers 4.3.1 gives for awkward texts on the tokenizers of generate.py.
import { PreTrainedTokenizer } from '@huggingface/transformers'
import fs from 'fs'

// U+FEFF is left out: it is white space to JavaScript's expressions, and not to Unicode and the tokenizers library.
const texts = [
  '', ' ', 'a', 'Hello world', '  two  spaces  ', 'the quick brown fox', "isn't it? They've, we'll!", 'naïve café Zürich', 'cafe\u0301 e\u0301',
  'tabs\tand\nlines\r\n', '😀 👩‍👩‍👧 🇩🇪', 'שלום עולם', 'مرحبا', '東京は大きい。', '1234 10:30 ２０２４', 'x\u0000y\u200bz\u00a0w', '<s>x</s>', '[MASK] here [SEP]',
  'a<|end|>b', 'ﬁne ½ Ⅷ', 'İstanbul ΣΑΣ', 'under_score a-b.c', 'zzzzzzzzzzzz'.repeat(12), '!!!???...', 'привет мир', 'The the THE',
]
const out = {}
for (const name of ['bytelevel', 'bytefallback', 'wordpiece', 'unigram']) {
  const t = new PreTrainedTokenizer(JSON.parse(fs.readFileSync(name + '.tokenizer.json')), {})
  out[name] = texts.map(s => ({ text: s, ids: t.encode(s), decoded: t.encode(s).length == 0 ? '' : t.decode(t.encode(s), { skip_special_tokens: true, clean_up_tokenization_spaces: false }) }))
  if (name !== 'bytelevel') out[name + ' pair'] = // where no token is added it leaves the second text out
    [{ text: 'the fox', pair: 'a dog', ids: t.encode('the fox', { text_pair: 'a dog' }) }]
}
fs.writeFileSync('ids.json', JSON.stringify(out, null, 0).replaceAll('},{', '},\n{') + '\n')
