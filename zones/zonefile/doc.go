// Package zonefile reads zones from files: TOML, and the master files of RFC 1035.
//
// It knows the keys of a zone file, where each of them stands, and everything that can be wrong with
// it; what leaves it is checked, and nothing downstream parses text again. It refuses to know health,
// files and clocks: it is given text, and a function to read what a file names. Its one main call is
// Load.
package zonefile
