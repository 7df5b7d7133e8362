package guide

import "github.com/permafrost-ml/permafrost/internal/data/spec"

var data = Page{
	Name:  "data",
	Short: "what {data} and {val} take",
	Parts: []Part{
		{Title: "Layouts", List: []spec.Entry{
			{Name: "class folders", Meaning: "images (JPEG, PNG, GIF, BMP, TIFF, WebP, PPM), sounds (WAV, FLAC), or for a model of bytes any files: one folder for each class"},
			{Name: "a table of files", Meaning: "CSV, TSV, JSONL or Parquet with the columns file and label"},
			{Name: "a table of texts", Meaning: "with the columns text and label; {text_column} and {label_column} name others"},
			{Name: "a table of vectors", Meaning: "a column for each number, in the model's order, and a column label"},
			{Name: "texts to continue", Meaning: "a .txt file, a folder with train.txt and val.txt, or a table without labels"},
			{Name: "transcripts", Meaning: "a table with the columns file and text"},
		}},
		{Title: "Splits", Text: "If a folder has `train` and `val`, or `train.csv` and `val.csv`, these are the splits. Other usual names work too: `valid`, `validation`, `dev`. A `test` split is never trained on. Otherwise a tenth of each class is held out, drawn by `{seed}`. `{val}` names validation data elsewhere."},
		{Title: "Groups", Text: "`{group}` says which examples belong together, such as those of one speaker: a group is held out as a whole. For a table it is a column; for files a regular expression on their paths below the training folder, with one pair of parentheses around the group's name, such as `/(plant[0-9]+)_`."},
		{Title: "Tasks", Text: "The task is found from the labels; `{task}` overrides it.", List: []spec.Entry{
			{Name: "classify", Meaning: "one class an example"},
			{Name: "multilabel", Meaning: "several, joined by |"},
			{Name: "regress", Meaning: "numbers that are not all whole; 1.0 is whole, the class 1"},
			{Name: "lm", Meaning: "no labels: the text itself, token after token"},
			{Name: "ctc", Meaning: "transcripts"},
		}},
	},
}
