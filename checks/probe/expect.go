package probe

import (
	"bytes"
	"errors"
	"io"
	"regexp"
)

// maxRead bounds what is read of an answer: of a body, of a dialogue, and of headers.
const maxRead = 64 << 10

// An expectation is what must stand in the first 64 KiB of what a target sends.
type expectation struct {
	text  string
	regex *regexp.Regexp
}

func (e expectation) none() bool { return e.text == "" && e.regex == nil }

// meet reads until the expectation is met. Where the input ends first it says what is lacking, by the
// name of what was read: "body lacks \"ok\"". An error of reading is returned as it is.
func (e expectation) meet(r io.Reader, what string) error {
	buf := make([]byte, 0, 1024)
	tried, searched := 0, 0
	for {
		if len(buf) == cap(buf) {
			buf = append(make([]byte, 0, min(4*cap(buf), maxRead)), buf...)
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		end := err != nil || len(buf) == maxRead
		// A target that sends byte by byte must not make us search the whole each time for ever.
		if n > 0 && (searched < 16*maxRead || len(buf)-tried > tried/8) || end {
			tried = len(buf)
			searched += len(buf)
			if e.met(buf) {
				return nil
			}
		}
		if end {
			if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return e.lacking(buf, what)
			}
			return err
		}
	}
}

func (e expectation) met(b []byte) bool {
	return bytes.Contains(b, []byte(e.text)) && (e.regex == nil || e.regex.Match(b))
}

func (e expectation) lacking(b []byte, what string) error {
	if !bytes.Contains(b, []byte(e.text)) {
		return failed("%s lacks %s", what, quoted(e.text))
	}
	return failed("%s does not match %s", what, quoted(e.regex.String()))
}
