package node

import (
	"strings"
	"testing"
	"time"
)

func TestHistoryBounded(t *testing.T) {
	h := newHistory()
	_, more := h.since(0)
	for i := 0; i < maxEvents*3; i++ {
		h.add(time.Unix(int64(i), 0), Event{Text: "x"})
	}
	select {
	case <-more:
	default:
		t.Error("a follower was not woken")
	}
	all, _ := h.since(0)
	if len(all) > maxEvents || len(all) < maxEvents/2 || all[len(all)-1].Seq != maxEvents*3 {
		t.Errorf("kept %d, last %d", len(all), all[len(all)-1].Seq)
	}
	if last, _ := h.since(maxEvents*3 - 2); len(last) != 2 {
		t.Errorf("since: got %d, want 2", len(last))
	}
}

func TestFollowersBounded(t *testing.T) {
	h := newHistory()
	for range maxFollowers {
		if !h.follow() {
			t.Fatal("refused below the bound")
		}
	}
	if h.follow() {
		t.Fatal("accepted above the bound")
	}
	h.release()
	if !h.follow() {
		t.Fatal("refused after a release")
	}
}

// What an event says is bounded, and nothing in it that a terminal would act on.
func TestEventTextBounded(t *testing.T) {
	h := newHistory()
	h.add(time.Unix(1, 0), Event{Text: "a\x1b[2J\nb", Cause: strings.Repeat("\u00e9", 1<<20)})
	all, _ := h.since(0)
	if e := all[0]; e.Text != "a?[2J?b" || len(e.Cause) > maxSaid || !strings.HasSuffix(e.Cause, "\u00e9...") {
		t.Errorf("got %q, cause of %d bytes", e.Text, len(e.Cause))
	}
}
