package probe

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestTCP(t *testing.T) {
	echo := func(c net.Conn) {
		line, _ := bufio.NewReader(c).ReadString('\n')
		_, _ = io.WriteString(c, "said "+line)
		hang(c)
	}
	port := number("port", 1)
	for _, tt := range []struct {
		name     string
		serve    func(net.Conn)
		settings []setting
		timeout  time.Duration
		want     string
	}{
		{"open", hang, nil, long, "ok"},
		{"banner", say("SSH-2.0-x\r\n"), []setting{text("expect.text", "SSH-2.0")}, long, "ok"},
		{"dialogue", echo, []setting{text("send", "ping\n"), text("expect.regex", "^said ping\n$")}, long, "ok"},
		{"other banner", readThen("hello"), []setting{text("send", "x"), text("expect.text", "bye")}, long, `failed answer lacks "bye"`},
		{"silence", hang, []setting{text("expect.text", "220")}, short, "failed timeout waiting for the answer"},
		{"half of it, then silence", say("22"), []setting{text("expect.text", "220")}, short, "failed timeout waiting for the answer"},
		{"closes", readThen(""), []setting{text("send", "x"), text("expect.text", "y")}, long, `failed answer lacks "y"`},
		{"resets", reset, []setting{text("send", "x"), text("expect.text", "y")}, long, "failed connection reset waiting for the answer"},
		{"talks without end", flood("", "xxxxxxxxxxxxxxxx"), []setting{text("expect.text", "y")}, long, `failed answer lacks "y"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := configured(t, "tcp", append(tt.settings, port)...)
			expectResult(t, run(t, c, testEnv, listen(t, "127.0.0.1:0", tt.serve), tt.timeout), tt.want)
		})
	}
}

func TestTCPRefused(t *testing.T) {
	c := configured(t, "tcp", number("port", 1))
	expectResult(t, run(t, c, testEnv, closedPort(t), long), "failed refused")
}

func TestTCPIPv6(t *testing.T) {
	c := configured(t, "tcp", number("port", 1), text("expect.text", "six"))
	expectResult(t, run(t, c, testEnv, listen(t, "[::1]:0", say("six")), long), "ok")
}

// starttlsServer speaks the lines of a protocol: what it says, and what it waits for, by turns; then TLS.
func starttlsServer(t *testing.T, turns []string, inside string) netip.AddrPort {
	config := &tls.Config{Certificates: []tls.Certificate{good(t).Certificate}}
	return listen(t, "127.0.0.1:0", func(c net.Conn) {
		for i, turn := range turns {
			if i%2 == 0 {
				_, _ = io.WriteString(c, turn)
				continue
			}
			got := make([]byte, len(turn))
			if _, err := io.ReadFull(c, got); err != nil || string(got) != turn {
				_, _ = io.WriteString(c, "unexpected\r\n")
				return
			}
		}
		tc := tls.Server(c, config)
		if tc.Handshake() == nil {
			_, _ = io.WriteString(tc, inside)
		}
		hang(c)
	})
}

func TestStartTLS(t *testing.T) {
	const (
		ehlo = "EHLO localhost\r\n"
		pg   = "\x00\x00\x00\x08\x04\xd2\x16\x2f"
		ld   = "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"
	)
	for _, tt := range []struct {
		protocol string
		turns    []string
		want     string
	}{
		{"smtp", []string{"220-mx\r\n220 ESMTP\r\n", ehlo, "250-mx\r\n250-SIZE 1000\r\n250 starttls\r\n", "STARTTLS\r\n", "220 go\r\n"}, "ok"},
		{"smtp", []string{"554 no\r\n"}, "failed smtp: 554 instead of 220 to greeting"},
		{"smtp", []string{"220 mx\r\n", ehlo, "250-mx\r\n250 SIZE 1000\r\n"}, "failed smtp: STARTTLS is not offered"},
		{"smtp", []string{"220 mx\r\n", ehlo, "250-mx\r\n250 STARTTLS\r\n", "STARTTLS\r\n", "454 no\r\n"}, "failed smtp: 454 instead of 220 to STARTTLS"},
		{"smtp", []string{"SSH-2.0\r\n"}, "failed does not speak smtp"},
		{"smtp", []string{strings.Repeat("220-mx\r\n", maxLines)}, "failed smtp: a reply of more than 100 lines"},
		{"smtp", []string{"220 " + strings.Repeat("x", maxLine)}, "failed a line longer than 2048 bytes was sent"},
		{"smtp", []string{"220 mx\r\n", ehlo, "250-mx\r\n250 STARTTLS\r\n", "STARTTLS\r\n", "220 go\r\n250 more\r\n"}, "failed more was sent than the answer to STARTTLS"},
		{"imap", []string{"* OK [CAPABILITY IMAP4rev1]\r\n", "a STARTTLS\r\n", "* x\r\na OK begin\r\n"}, "ok"},
		{"imap", []string{"* OK\r\n", "a STARTTLS\r\n", "a NO never\r\n"}, "failed imap: STARTTLS is refused"},
		{"imap", []string{"* BYE\r\n"}, "failed imap: BYE instead of a greeting"},
		{"imap", []string{"+OK\r\n"}, "failed does not speak imap"},
		{"imap", []string{"* OK\r\n", "a STARTTLS\r\n", strings.Repeat("* x\r\n", maxLines)}, "failed imap: no answer to STARTTLS within 100 lines"},
		{"pop3", []string{"+OK hi\r\n", "STLS\r\n", "+OK go\r\n"}, "ok"},
		{"pop3", []string{"+OK hi\r\n", "STLS\r\n", "-ERR no\r\n"}, "failed pop3: STLS is refused"},
		{"pop3", []string{"-ERR\r\n"}, "failed pop3: an error instead of a greeting"},
		{"pop3", []string{"* OK\r\n"}, "failed does not speak pop3"},
		{"postgres", []string{"", pg, "S"}, "ok"},
		{"postgres", []string{"", pg, "N"}, "failed postgres: TLS is not offered"},
		{"postgres", []string{"", pg, "E"}, "failed postgres: an error instead of TLS"},
		{"postgres", []string{"", pg, "?"}, "failed does not speak postgres"},
		{"ldap", []string{"", ldapStartTLS, ld}, "ok"},
		{"ldap", []string{"", ldapStartTLS, "\x30\x84\x00\x00\x00\x0c" + ld[2:]}, "ok"},
		{"ldap", []string{"", ldapStartTLS, strings.Replace(ld, "\x0a\x01\x00", "\x0a\x01\x34", 1)}, "failed ldap: StartTLS is refused with result code 52"},
		{"ldap", []string{"", ldapStartTLS, "HTTP/1.1 400"}, "failed does not speak ldap"},
		{"ldap", []string{"", ldapStartTLS, "\x30\x84\xff\xff\xff\xff"}, "failed ldap: an answer of more than 4096 bytes"},
		{"ldap", []string{"", ldapStartTLS, "\x30\x0c\x02\x01\x00" + ld[5:]}, "failed ldap: a notice of disconnection"},
	} {
		t.Run(tt.protocol+" "+tt.want, func(t *testing.T) {
			c := configured(t, "tcp", number("port", 1), text("starttls", tt.protocol), text("expect.text", "secret"))
			r := run(t, c, testEnv, starttlsServer(t, tt.turns, "secret"), long)
			expectResult(t, r, tt.want)
			if tt.want == "ok" && r.CertNotAfter.IsZero() {
				t.Error("no certificate seen")
			}
		})
	}
}

func TestStartTLSStalls(t *testing.T) {
	c := configured(t, "tcp", number("port", 1), text("starttls", "smtp"))
	expectResult(t, run(t, c, testEnv, listen(t, "127.0.0.1:0", say("220-mx\r\n")), short), "failed timeout in the smtp dialogue")
}

func TestTLS(t *testing.T) {
	ok := certOptions{names: []string{"www.example.com", "127.0.0.1"}, notBefore: -time.Hour, notAfter: 30 * 24 * time.Hour}
	expired, early, self, other := ok, ok, ok, ok
	expired.notAfter = -time.Minute
	early.notBefore = time.Hour
	self.selfSigned = true
	other.names = []string{"other.example.com"}
	sni := text("sni", "www.example.com")
	for _, tt := range []struct {
		name     string
		cert     certOptions
		settings []setting
		want     string
	}{
		{"good", ok, []setting{sni}, "ok"},
		{"by address", ok, nil, "ok"},
		{"not for the address", other, nil, "failed certificate is not for 127.0.0.1"},
		{"not for the name", other, []setting{sni}, "failed certificate is not for www.example.com"},
		{"expired", expired, []setting{sni}, "failed certificate expired"},
		{"not yet valid", early, []setting{sni}, "failed certificate not yet valid"},
		{"self-signed", self, []setting{sni}, "failed certificate is self-signed"},
		{"too few days", ok, []setting{sni, number("cert_days", 60)}, "failed certificate expires in 29 days, not 60"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cert := newCert(t, tt.cert)
			to := listen(t, "127.0.0.1:0", func(c net.Conn) {
				_ = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert.Certificate}}).Handshake()
				hang(c)
			})
			settings := append(tt.settings, setting{"ca_file", Value{Data: cert.caPEM}})
			r := run(t, configured(t, "tls", settings...), testEnv, to, long)
			expectResult(t, r, tt.want)
			if d := time.Until(r.CertNotAfter) - tt.cert.notAfter; d > 0 || d < -time.Minute {
				t.Errorf("certificate seen until %v", r.CertNotAfter)
			}
		})
	}
}

// A node without authorities refuses every certificate, which is no word on the target. The system's are
// read once in a process, so the probe is made by a child that finds none.
func TestNoAuthorities(t *testing.T) {
	const nowhere = "/nonexistent"
	if os.Getenv("SSL_CERT_FILE") != nowhere {
		cmd := exec.Command(os.Args[0], "-test.run=^TestNoAuthorities$", "-test.v")
		cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+nowhere, "SSL_CERT_DIR="+nowhere)
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	cert := good(t)
	to := listen(t, "127.0.0.1:0", func(c net.Conn) {
		_ = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert.Certificate}}).Handshake()
		hang(c)
	})
	expectResult(t, run(t, configured(t, "tls"), testEnv, to, long), "void this node knows no authorities: install ca-certificates, or set ca_file")
	expectResult(t, run(t, configured(t, "tls", setting{"ca_file", Value{Data: cert.caPEM}}), testEnv, to, long), "ok")
}

func TestTLSBroken(t *testing.T) {
	insecure := setting{"insecure", Value{Flag: true}}
	for _, tt := range []struct {
		name    string
		serve   func(net.Conn)
		timeout time.Duration
		want    string
	}{
		{"hangs", hang, short, "failed timeout in the TLS handshake"},
		{"closes", readThen(""), long, "failed connection closed in the TLS handshake"},
		{"resets", reset, long, "failed connection reset in the TLS handshake"},
		{"plain", readThen("HTTP/1.1 400 Bad Request\r\n\r\n"), long, "failed does not speak TLS"},
		{"alert", readThen("\x15\x03\x03\x00\x02\x02\x28"), long, "failed refused by TLS alert: handshake failure"},
		{"old", func(c net.Conn) {
			_ = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{good(t).Certificate}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}).Handshake()
			hang(c)
		}, long, "failed refused by TLS alert: protocol version not supported"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			expectResult(t, run(t, configured(t, "tls", insecure), testEnv, listen(t, "127.0.0.1:0", tt.serve), tt.timeout), tt.want)
		})
	}
}
