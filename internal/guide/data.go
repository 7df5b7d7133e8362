package guide

import "github.com/permafrost-ml/permafrost/internal/data/spec"

var data = Page{
	Name:  "data",
	Short: "what {data} and {val} take",
	Parts: []Part{
		{Title: "Layouts", List: []spec.Entry{
			{Name: "class folders", Meaning: "images (JPEG, PNG, GIF, BMP, TIFF, WebP, PPM), sounds (WAV, FLAC), or for a model of bytes any files: one folder for each class"},
			{Name: "a table of files", Meaning: "CSV, TSV or JSONL with the columns file and label"},
			{Name: "a table of texts", Meaning: "with the columns text and label; {text_column} and {label_column} name others"},
			{Name: "a table of vectors", Meaning: "a column for each number, in the model's order, and a column label"},
			{Name: "texts to continue", Meaning: "a .txt file, a folder with train.txt and val.txt, or a table without labels"},
			{Name: "transcripts", Meaning: "a table with the columns file and text"},
		}},
		{Title: "Splits", Text: "A folder with `train` and `val`, or with `train.csv` and `val.csv`, is split as it stands. So are other usual names, as `valid`, `validation` or `dev`. A `test` split is never trained on. Otherwise a tenth is held out, each class alike, by `{seed}`; `{val}` names validation data elsewhere."},
		{Title: "Groups", Text: "`{group}` says which examples belong together, as those of one speaker: they are held out as wholes. Of a table it is a column; of files a regular expression over their paths below the training folder, with one pair of parentheses around what names the group, as `/(plant[0-9]+)_`."},
		{Title: "Tasks", Text: "The task is found in the labels, and said; `{task}` overrides it.", List: []spec.Entry{
			{Name: "classify", Meaning: "one class an example"},
			{Name: "multilabel", Meaning: "several, joined by |"},
			{Name: "regress", Meaning: "numbers that are not all whole; 1.0 is whole, the class 1"},
			{Name: "lm", Meaning: "no labels: the text itself, token after token"},
			{Name: "ctc", Meaning: "transcripts"},
		}},
	},
}
