package zonefile

import "testing"

// A file whose problems are taken twice, earlier and later, has each counted once.
func TestSortCountsOnce(t *testing.T) {
	var f found
	more := func(n int) Problems {
		for range n {
			if !f.full(Error) {
				f.take(Problem{File: "x", Line: 1 + len(f.problems)})
			}
		}
		return append(append(Problems{}, f.problems...), f.rest("x")...)
	}
	early := more(maxProblems + 500)
	ps := append(early, more(1000)...).Sort([]string{"x"})
	if want := maxProblems + 1500; ps.Errors() != want || len(ps) != maxProblems+1 {
		t.Errorf("%d problems with %d errors, want %d with %d", len(ps), ps.Errors(), maxProblems+1, want)
	}
}
