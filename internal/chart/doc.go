// Package chart makes what pages of results share: plots as SVG, tables, their style and their script.
//
// Pages are one HTML file that needs no network. The plots are made here, so that they stand without
// scripts and in print. The script only adds what a mouse can do: marks and rows of one key are shown
// together, tables are sorted and filtered. Colours and sizes are those of page.css; a mark says by its
// class what it is. The package knows nothing of what it shows.
package chart
