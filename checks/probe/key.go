package probe

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// A Kind is the kind of value a Key takes.
type Kind uint8

const (
	Text     Kind = iota // a string: Value.Text
	Texts                // a string or a list of strings: Value.Texts, at least one
	Integer              // Value.Integer
	Flag                 // true or false: Value.Flag
	Duration             // Value.Duration
	Pairs                // a table of strings: Value.Pairs, in any order
	File                 // a path, relative to the file it stands in: Value.Text as written, Value.Data the content
	Group                // a table with the keys of Key.Keys; Set is nil
)

// A Key is one key of a check type in a zone file, bound to the Check it was taken from.
type Key struct {
	Name string
	Kind Kind
	Keys []Key // of a Group
	// Owner: where the key is not written, the owner of the one record that uses the pool is set; it
	// must be written where there is no such owner, or several, or a wildcard.
	Owner   bool
	Default string // in words, "" where there is none
	Doc     string // what it means, with its range
	// Set stores the value. Its error is about this one value, without position.
	Set func(Value) error
}

// A Value is the value of a Key; the Kind says which field holds it.
type Value struct {
	Text     string
	Texts    []string
	Integer  int64
	Flag     bool
	Duration time.Duration
	Pairs    []Pair
	Data     []byte
}

// A Pair is one entry of a table of strings.
type Pair struct{ Name, Text string }

// Limits of what a check may hold, so that identities, requests and memory stay bounded.
const (
	maxText    = 1024 // bytes of an expectation, a path, something to send
	maxHeaders = 32
	maxList    = 32
)

// textKey is a string of at most maxText bytes.
func textKey(name, def, doc string, into *string) Key {
	return Key{Name: name, Kind: Text, Default: def, Doc: doc, Set: func(v Value) error {
		if err := checkLength(v.Text); err != nil {
			return err
		}
		*into = v.Text
		return nil
	}}
}

func checkLength(s string) error {
	if len(s) > maxText {
		return fmt.Errorf("%d bytes are more than %d", len(s), maxText)
	}
	return nil
}

// needKey is a textKey that may not be empty: an empty expectation would be met by everything.
func needKey(name, doc string, into *string) Key {
	k := textKey(name, "", doc, into)
	set := k.Set
	k.Set = func(v Value) error {
		if v.Text == "" {
			return errors.New("must not be empty")
		}
		return set(v)
	}
	return k
}

// regexKey is an RE2 regular expression.
func regexKey(name, doc string, into **regexp.Regexp) Key {
	return Key{Name: name, Kind: Text, Doc: doc, Set: func(v Value) error {
		if err := checkLength(v.Text); err != nil {
			return err
		}
		re, err := regexp.Compile(v.Text)
		if err != nil {
			return fmt.Errorf("not a regular expression: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
		*into = re
		return nil
	}}
}

func flagKey(name, doc string, into *bool) Key {
	return Key{Name: name, Kind: Flag, Default: "false", Doc: doc, Set: func(v Value) error {
		*into = v.Flag
		return nil
	}}
}

// domainKey is a domain name or an IP address, kept in lower case without the final dot.
func domainKey(name, doc string, into *string) Key {
	return Key{Name: name, Kind: Text, Doc: doc, Set: func(v Value) error {
		s := strings.ToLower(strings.TrimSuffix(v.Text, "."))
		if err := checkHost(s); err != nil {
			return err
		}
		*into = s
		return nil
	}}
}

// checkHost refuses what cannot stand in a Host header or in SNI.
func checkHost(s string) error {
	if s == "" || len(s) > 261 { // a name, ':' and a port
		return fmt.Errorf("%s is not a host name", quoted(s))
	}
	for _, r := range s {
		if r >= utf8.RuneSelf || !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789.-_:[]", r) {
			return fmt.Errorf("%s is not a host name: %q may not stand in one", quoted(s), r)
		}
	}
	return nil
}

// quoted is a bounded piece of configuration for a reason.
func quoted(s string) string {
	const most = 40
	if len(s) <= most {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q...", strings.ToValidUTF8(s[:most], ""))
}
