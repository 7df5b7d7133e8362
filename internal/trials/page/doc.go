// Package page draws the page of a search: one HTML file that needs no network.
//
// In: the record of a search. Out: HTML with the plots as SVG, made here so that they stand without
// scripts and in print. The script only adds what a mouse can do: one trial is shown in all plots at
// once, the table is sorted and filtered. Colours and sizes are those of page.css; a mark says by
// its class what it is. The package computes nothing about trials that the record does not say.
package page
