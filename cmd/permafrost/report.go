package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/federate"
	"github.com/permafrost-ml/permafrost/search"
)

func init() { register(groupTune, "report", reportCommand) }

func reportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "report RUN...",
		Short: "Write the HTML report of a run, or of several side by side",
		Long: `report writes the HTML report of a run: the network with what was frozen, curves, the worst mistakes,
what freezing saved, and the options of the run. fit writes it too, as report.html in the run folder. It
is one file that needs no network, made from the run folder alone.

Several runs give one page that compares them. RUN may also be a folder of runs, or the folder of
compare, search or federate. A search or a federation has a page of its own already; beside other runs
it is linked.

The page holds small copies of up to 100 validation examples with a wrong answer. --no-examples
leaves them out.`,
		Example: `  permafrost report runs/mobilenet-photos-1
  permafrost report runs/mobilenet-photos-1 runs/mobilenet-photos-2 --out both.html
  permafrost report runs --out all.html`,
		Args: func(cmd *cobra.Command, given []string) error {
			if len(given) == 0 {
				return fmt.Errorf("RUN is missing: %s", cmd.UseLine())
			}
			return nil
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	out := fs.String("out", "", "`FILE.html` page to write (default: report.html in the folder of the run)")
	bare := fs.Bool("no-examples", false, "leave out the examples with a wrong answer")
	asJSON := jsonFlag(fs)
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		if err := checkPage(*out); err != nil {
			return err
		}
		found, err := findReported(cmd, given)
		if err != nil {
			return err
		}
		page, path, err := found.page(*out, *bare)
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, page, 0o666); err != nil {
			return fmt.Errorf("--out: %w", err)
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), struct {
				Out   string `json:"out"`
				Bytes int    `json:"bytes"`
				Runs  int    `json:"runs"` // runs, comparisons, searches and federations
			}{path, len(page), len(found)})
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s, %s\n", path, bytesText(int64(len(page))))
		return err
	}
	return cmd
}

// checkPage errors if the page that --out names cannot be written. No path is fine.
func checkPage(path string) error {
	switch {
	case path == "":
		return nil
	case !strings.EqualFold(filepath.Ext(path), ".html") && !strings.EqualFold(filepath.Ext(path), ".htm"):
		return fmt.Errorf("--out %s: a web page is written: name a file that ends in .html", path)
	}
	if err := permafrost.CheckFile(path); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	return nil
}

// reported is a folder of which a page is made.
type reported struct {
	dir  string
	kind string // "", or of those that have a page of their own: search or federation
}

type reportedAll []reported

// findReported finds what folders hold. Of a folder that is none itself, it takes the runs in it.
func findReported(cmd *cobra.Command, given []string) (reportedAll, error) {
	var out reportedAll
	for _, dir := range given {
		st, err := os.Stat(dir)
		switch {
		case err != nil:
			return nil, fmt.Errorf("there is no folder %s", dir)
		case !st.IsDir():
			return nil, fmt.Errorf("%s is a file: name the folder of a run", dir)
		case fileExists(filepath.Join(dir, search.LogFile)):
			out = append(out, reported{dir, "search"})
		case fileExists(filepath.Join(dir, federate.SettingsFile)):
			out = append(out, reported{dir, "federation"})
		case fileExists(filepath.Join(dir, permafrost.RunFile)), fileExists(filepath.Join(dir, permafrost.EventsFile)), fileExists(filepath.Join(dir, permafrost.CompareFile)):
			out = append(out, reported{dir, ""})
		default:
			runs, damaged, err := permafrost.ListRuns(dir)
			if err != nil {
				return nil, err
			}
			for _, d := range damaged {
				note(cmd, "%s cannot be read and is left out: %s", d.Out, d.Why)
			}
			if len(runs) == 0 {
				return nil, fmt.Errorf("%s holds no run, and there is none below it", dir)
			}
			for _, r := range runs {
				kind := ""
				if fileExists(filepath.Join(r.Out, federate.SettingsFile)) {
					kind = "federation"
				}
				out = append(out, reported{r.Out, kind})
			}
		}
	}
	return out, nil
}

// page makes the page and says where it is to be written.
func (all reportedAll) page(out string, bare bool) (page []byte, path string, err error) {
	if len(all) > 1 && out == "" {
		return nil, "", fmt.Errorf("--out FILE.html is missing: the page of several runs lies in no run folder")
	}
	one := func(name string) string {
		if out != "" {
			return out
		}
		return filepath.Join(all[0].dir, name)
	}
	if len(all) == 1 {
		switch all[0].kind {
		case "search":
			page, err = search.Page(all[0].dir)
			return page, one(search.PageFile), err
		case "federation":
			page, err = federate.Page(all[0].dir)
			return page, one(federate.PageFile), err
		}
	}
	path = one(permafrost.ReportFile)
	o := permafrost.ReportOptions{NoExamples: bare, At: filepath.Dir(path)}
	var dirs []string
	for _, r := range all {
		switch r.kind {
		case "search":
			l, err := searchLink(r.dir)
			if err != nil {
				return nil, "", err
			}
			o.Links = append(o.Links, l)
			continue
		case "federation":
			o.Links = append(o.Links, pageLink("federation ", r.dir, federate.PageFile, "its numbers are below, an epoch being a round"))
		}
		dirs = append(dirs, r.dir)
	}
	var b bytes.Buffer
	err = permafrost.Report(&b, dirs, o)
	return b.Bytes(), path, err
}

// searchLink says what a search came to.
func searchLink(dir string) (permafrost.ReportLink, error) {
	r, err := search.Read(dir)
	if err != nil {
		return permafrost.ReportLink{}, err
	}
	text := fmt.Sprintf("%s in %s", counted(len(r.Trials), "trial"), secondsText(r.Seconds))
	if r.Best != nil {
		text += fmt.Sprintf("; the best on held-out training examples is trial %d, %s", r.Best.Number, (&permafrost.Metric{Name: r.Metric, Value: r.Best.ValAccuracy}).String())
	}
	return pageLink("search ", dir, search.PageFile, text), nil
}

// pageLink is a link to the page that a folder has of its own.
func pageLink(kind, dir, page, text string) permafrost.ReportLink {
	l := permafrost.ReportLink{Name: kind + filepath.Base(dir), Text: text}
	if path := filepath.Join(dir, page); fileExists(path) {
		l.Path = path
	}
	return l
}

func fileExists(path string) bool {
	st, err := os.Stat(path)
	return err == nil && !st.IsDir()
}
