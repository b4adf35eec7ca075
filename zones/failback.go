package zones

import (
	"time"
)

// A due says when a better choice than the one in use may be returned to (DESIGN 3.5).
type due struct {
	now   int           // the best that may be returned to now; -1
	next  int           // the one whose hold is over first; -1
	after time.Duration // until that
}

// due looks at the choices better than the one in use, -1 being none. usable says how long a choice has
// been usable, by the age of its verdict.
func (fb Failback) due(inUse int, usable func(k int) (age time.Duration, ok bool)) due {
	d := due{now: -1, next: -1}
	if fb.Mode == FailbackManual {
		return d
	}
	hold := fb.Hold
	if fb.Mode == FailbackAuto {
		hold = 0
	}
	for k := range max(inUse, 0) {
		age, ok := usable(k)
		switch {
		case !ok:
		case age >= hold && d.now < 0:
			d.now = k
		case age < hold && (d.next < 0 || hold-age < d.after):
			d.next, d.after = k, hold-age
		}
	}
	return d
}
