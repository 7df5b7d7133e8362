package data

// Columns names the columns of a table; "" for the usual names.
type Columns struct{ Text, Label string }
