// Package lint holds the rules of this repository that no general tool knows,
// as tests: who may import what (imports.txt), how long a file and a function
// may be (exceptions.txt holds what is over, and only shrinks), which words
// and names are not used. It is only tests; nothing imports it.
package lint
