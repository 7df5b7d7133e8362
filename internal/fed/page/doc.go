// Package page draws the page of a federation: one HTML file that needs no network.
//
// In: the record of a federation, which may still go on. Out: HTML with curves by round, a map of who
// took part, and a table of the clients. What many clients do is summed up: the map shows those whose
// answers came to nothing most often. The page holds nothing of single examples.
package page
