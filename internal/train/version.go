package train

// Version is the version of Permafrost that run records and tuned files carry.
const Version = "0.1.0"
