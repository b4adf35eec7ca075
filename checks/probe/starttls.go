package probe

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
)

// dialogues bring a fresh connection to the point where the TLS handshake begins. They read from a
// target that may send anything: lines, their number and lengths are bounded.
var dialogues = map[string]func(io.ReadWriter) error{
	"smtp":     lineDialogue(smtp),
	"imap":     lineDialogue(imap),
	"pop3":     lineDialogue(pop3),
	"ldap":     ldap,
	"postgres": postgres,
}

func startTLS(protocol string, rw io.ReadWriter) error { return dialogues[protocol](rw) }

// lines is a dialogue in lines.
type lines struct {
	r *bufio.Reader
	w io.Writer
}

const (
	maxLine  = 2048
	maxLines = 100
)

// lineDialogue refuses what was sent ahead of the handshake: it would be taken for part of it, or
// for something said under encryption.
func lineDialogue(talk func(*lines) error) func(io.ReadWriter) error {
	return func(rw io.ReadWriter) error {
		l := &lines{bufio.NewReaderSize(rw, maxLine), rw}
		if err := talk(l); err != nil {
			return err
		}
		if l.r.Buffered() > 0 {
			return failed("more was sent than the answer to STARTTLS")
		}
		return nil
	}
}

func (l *lines) read() (string, error) {
	line, err := l.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", failed("a line longer than %d bytes was sent", maxLine)
	}
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}

func (l *lines) write(s string) error {
	_, err := io.WriteString(l.w, s+"\r\n")
	return err
}

// smtp: RFC 3207.
func smtp(l *lines) error {
	if _, err := l.smtpReply("220", "greeting"); err != nil {
		return err
	}
	if err := l.write("EHLO localhost"); err != nil {
		return err
	}
	offers, err := l.smtpReply("250", "EHLO")
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(offers, func(s string) bool { return strings.EqualFold(s, "STARTTLS") }) {
		return failed("smtp: STARTTLS is not offered")
	}
	if err := l.write("STARTTLS"); err != nil {
		return err
	}
	_, err = l.smtpReply("220", "STARTTLS")
	return err
}

// smtpReply reads a reply of one or more lines (RFC 5321 §4.2) and returns their texts.
func (l *lines) smtpReply(want, to string) ([]string, error) {
	var texts []string
	for range maxLines {
		line, err := l.read()
		if err != nil {
			return nil, err
		}
		if len(line) < 3 || strings.Trim(line[:3], "0123456789") != "" {
			return nil, failed("does not speak smtp")
		}
		if line[:3] != want {
			return nil, failed("smtp: %s instead of %s to %s", line[:3], want, to)
		}
		if len(line) == 3 {
			return append(texts, ""), nil
		}
		texts = append(texts, strings.TrimSpace(line[4:]))
		if line[3] != '-' {
			return texts, nil
		}
	}
	return nil, failed("smtp: a reply of more than %d lines", maxLines)
}

// imap: RFC 9051 §6.2.1.
func imap(l *lines) error {
	greeting, err := l.read()
	if err != nil {
		return err
	}
	switch word := strings.ToUpper(greeting); {
	case strings.HasPrefix(word, "* OK"), strings.HasPrefix(word, "* PREAUTH"):
	case strings.HasPrefix(word, "* BYE"):
		return failed("imap: BYE instead of a greeting")
	default:
		return failed("does not speak imap")
	}
	if err := l.write("a STARTTLS"); err != nil {
		return err
	}
	for range maxLines {
		line, err := l.read()
		if err != nil {
			return err
		}
		switch word := strings.ToUpper(line); {
		case strings.HasPrefix(word, "A OK"):
			return nil
		case strings.HasPrefix(word, "A "):
			return failed("imap: STARTTLS is refused")
		}
	}
	return failed("imap: no answer to STARTTLS within %d lines", maxLines)
}

// pop3: RFC 2595 §4.
func pop3(l *lines) error {
	greeting, err := l.read()
	if err != nil {
		return err
	}
	if !strings.HasPrefix(greeting, "+OK") {
		if strings.HasPrefix(greeting, "-ERR") {
			return failed("pop3: an error instead of a greeting")
		}
		return failed("does not speak pop3")
	}
	if err := l.write("STLS"); err != nil {
		return err
	}
	answer, err := l.read()
	if err != nil {
		return err
	}
	if !strings.HasPrefix(answer, "+OK") {
		return failed("pop3: STLS is refused")
	}
	return nil
}

// postgres: the SSLRequest of the frontend/backend protocol. The answer is one byte, and no more is
// read: what follows it belongs to the handshake.
func postgres(rw io.ReadWriter) error {
	if _, err := rw.Write([]byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}); err != nil {
		return err
	}
	var answer [1]byte
	if _, err := io.ReadFull(rw, answer[:]); err != nil {
		return err
	}
	switch answer[0] {
	case 'S':
		return nil
	case 'N':
		return failed("postgres: TLS is not offered")
	case 'E':
		return failed("postgres: an error instead of TLS")
	}
	return failed("does not speak postgres")
}

// ldapStartTLS is an ExtendedRequest for 1.3.6.1.4.1.1466.20037 (RFC 4511 §4.14) with message id 1.
const ldapStartTLS = "\x30\x1d\x02\x01\x01\x77\x18\x80\x16" + "1.3.6.1.4.1.1466.20037"

func ldap(rw io.ReadWriter) error {
	if _, err := io.WriteString(rw, ldapStartTLS); err != nil {
		return err
	}
	message, err := readBER(rw)
	if err != nil {
		return err
	}
	code, err := ldapResult(message)
	if err != nil {
		return err
	}
	if code != 0 {
		return failed("ldap: StartTLS is refused with result code %d", code)
	}
	return nil
}

// maxLDAP bounds a response to StartTLS, which is some dozen bytes and a text for people.
const maxLDAP = 4096

// readBER reads exactly one LDAPMessage and returns the content of its SEQUENCE.
func readBER(r io.Reader) ([]byte, error) {
	var head [6]byte // tag, length, up to 4 bytes of a long length
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return nil, err
	}
	if head[0] != 0x30 {
		return nil, failed("does not speak ldap")
	}
	size := uint32(head[1])
	if long := int(head[1] & 0x7f); head[1] >= 0x80 {
		if long == 0 || long > 4 {
			return nil, failed("does not speak ldap")
		}
		if _, err := io.ReadFull(r, head[2:2+long]); err != nil {
			return nil, err
		}
		var wide [4]byte
		copy(wide[4-long:], head[2:2+long])
		size = binary.BigEndian.Uint32(wide[:])
	}
	if size > maxLDAP {
		return nil, failed("ldap: an answer of more than %d bytes", maxLDAP)
	}
	content := make([]byte, size)
	_, err := io.ReadFull(r, content)
	return content, err
}

// ldapResult takes the result code from an LDAPMessage with an ExtendedResponse.
func ldapResult(message []byte) (code int, err error) {
	const (
		tagInteger          = 0x02
		tagEnumerated       = 0x0a
		tagExtendedResponse = 0x78
	)
	id, rest, ok := nextBER(message, tagInteger)
	if ok && len(id) == 1 && id[0] == 0 {
		return 0, failed("ldap: a notice of disconnection")
	}
	response, _, isResponse := nextBER(rest, tagExtendedResponse)
	result, _, hasResult := nextBER(response, tagEnumerated)
	if !ok || len(id) != 1 || id[0] != 1 || !isResponse || !hasResult || len(result) != 1 {
		return 0, failed("does not speak ldap")
	}
	return int(result[0]), nil
}

// nextBER splits the element with that tag off b.
func nextBER(b []byte, tag byte) (content, rest []byte, ok bool) {
	if len(b) < 2 || b[0] != tag {
		return nil, nil, false
	}
	size, at := int(b[1]), 2
	if b[1] >= 0x80 {
		long := int(b[1] & 0x7f)
		if long == 0 || long > 2 || len(b) < 2+long {
			return nil, nil, false
		}
		size, at = 0, 2+long
		for _, x := range b[2:at] {
			size = size<<8 | int(x)
		}
	}
	if len(b)-at < size {
		return nil, nil, false
	}
	return b[at : at+size], b[at+size:], true
}
