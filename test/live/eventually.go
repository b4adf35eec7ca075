package live

import "time"

// Eventually asks what again and again until it says "", and fails the test with what it says when the time
// is over.
func Eventually(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, limit time.Duration, what func() string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(limit)
	for {
		why := what()
		if why == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %s", limit, why)
		}
		<-tick.C
	}
}
