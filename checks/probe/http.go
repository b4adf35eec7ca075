package probe

import (
	"errors"
	"fmt"
	"net/netip"
	"net/textproto"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"vitalns/checks"
)

// HTTP asks for one page over HTTP/1.1 and judges the answer. Redirects are not followed.
type HTTP struct {
	Aim
	Trust
	TLS        bool           // https
	Path       string         // "/": path with query
	Host       string         // Host header; https: the default of SNI
	Method     string         // "GET"
	Headers    []Pair         // sorted by name, names in canonical form
	Status     []StatusRange  // 200-299; sorted, no two touch
	Body       string         // must stand in the first 64 KiB of the body; "" anything
	BodyRegex  *regexp.Regexp // must match in the first 64 KiB of the body; nil: anything
	MaxLatency time.Duration  // 0: no limit but the timeout
}

// A StatusRange is a range of HTTP status codes, both ends included.
type StatusRange struct{ From, To int }

func newHTTP(overTLS bool) *HTTP {
	h := &HTTP{TLS: overTLS, Path: "/", Method: "GET", Status: []StatusRange{{200, 299}}}
	h.Port = 80
	if overTLS {
		h.Port = 443
	}
	return h
}

// Type returns "http" or "https".
func (h *HTTP) Type() string {
	if h.TLS {
		return "https"
	}
	return "http"
}

// Keys implements Check.
func (h *HTTP) Keys() []Key {
	host := domainKey("host", "the Host header", &h.Host)
	host.Owner, host.Default = true, "the owner of the record"
	keys := []Key{
		h.addressKey(),
		h.portKey(),
		{Name: "path", Kind: Text, Default: "/", Doc: "what is asked for: a path, with a query if need be", Set: h.setPath},
		host,
		{Name: "method", Kind: Text, Default: "GET", Doc: "the request's method, in upper case", Set: h.setMethod},
		{Name: "headers", Kind: Pairs, Doc: "headers of the request, at most 32", Set: h.setHeaders},
		{Name: "expect", Kind: Group, Doc: "what the answer must be", Keys: []Key{
			{Name: "status", Kind: Texts, Default: "200-299", Doc: "status codes and ranges of them", Set: h.setStatus},
			needKey("body", "text that must stand in the first 64 KiB of the body", &h.Body),
			regexKey("body_regex", "regular expression that must match in the first 64 KiB of the body", &h.BodyRegex),
			{Name: "max_latency", Kind: Duration, Doc: "longest time the answer may take", Set: func(v Value) error {
				if v.Duration <= 0 {
					return errors.New("must be more than 0")
				}
				h.MaxLatency = v.Duration
				return nil
			}},
		}},
	}
	if h.TLS {
		keys = append(keys, h.Trust.keys("the host")...)
	}
	return keys
}

func (h *HTTP) setPath(v Value) error {
	if err := checkLength(v.Text); err != nil {
		return err
	}
	if !strings.HasPrefix(v.Text, "/") {
		return fmt.Errorf("%s does not begin with a slash", quoted(v.Text))
	}
	for _, c := range []byte(v.Text) {
		if c <= ' ' || c >= 0x7f {
			return fmt.Errorf("%s holds %q: write it percent-encoded", quoted(v.Text), rune(c))
		}
	}
	if strings.Contains(v.Text, "#") {
		return fmt.Errorf("%s has a fragment, which is never sent", quoted(v.Text))
	}
	h.Path = v.Text
	return nil
}

func (h *HTTP) setMethod(v Value) error {
	if v.Text == "" || len(v.Text) > 20 || strings.Trim(v.Text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return fmt.Errorf("%s is not a method: GET, HEAD, POST, OPTIONS ... in upper case", quoted(v.Text))
	}
	if v.Text == "CONNECT" {
		return errors.New("CONNECT is for proxies and cannot be probed")
	}
	h.Method = v.Text
	return nil
}

// ownHeaders are written by the probe itself.
var ownHeaders = map[string]string{
	"Host":              "write `host` beside `path`",
	"Connection":        "a probe's connection is always closed",
	"Content-Length":    "a probe sends no body",
	"Transfer-Encoding": "a probe sends no body",
	"Expect":            "a probe sends no body",
	"Upgrade":           "a probe stays with HTTP/1.1",
}

func (h *HTTP) setHeaders(v Value) error {
	if len(v.Pairs) > maxHeaders {
		return fmt.Errorf("%d headers are more than %d", len(v.Pairs), maxHeaders)
	}
	headers := make([]Pair, 0, len(v.Pairs))
	for _, p := range v.Pairs {
		if !validHeaderName(p.Name) {
			return fmt.Errorf("%s is not the name of a header", quoted(p.Name))
		}
		if !validHeaderValue(p.Text) {
			return fmt.Errorf("header %s: %s is not a header's value", p.Name, quoted(p.Text))
		}
		name := textproto.CanonicalMIMEHeaderKey(p.Name)
		if why := ownHeaders[name]; why != "" {
			return fmt.Errorf("header %s cannot be set: %s", name, why)
		}
		headers = append(headers, Pair{name, strings.TrimSpace(p.Text)})
	}
	slices.SortFunc(headers, func(a, b Pair) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(headers); i++ {
		if headers[i].Name == headers[i-1].Name {
			return fmt.Errorf("header %s is there twice", headers[i].Name)
		}
	}
	h.Headers = headers
	return nil
}

// validHeaderName reports whether s is a token of RFC 9110 §5.6.2.
func validHeaderName(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != "" && len(s) <= 100
}

// validHeaderValue reports whether s can be sent as a header's value: no control characters but tab.
func validHeaderValue(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return len(s) <= maxText
}

func (h *HTTP) setStatus(v Value) error {
	if len(v.Texts) > maxList {
		return fmt.Errorf("%d ranges are more than %d", len(v.Texts), maxList)
	}
	var ranges []StatusRange
	for _, s := range v.Texts {
		r, ok := parseStatus(s)
		if !ok {
			return fmt.Errorf("%s is not a status code (\"204\") or a range of them (\"200-299\")", quoted(s))
		}
		ranges = append(ranges, r)
	}
	slices.SortFunc(ranges, func(a, b StatusRange) int { return a.From - b.From })
	var merged []StatusRange
	for _, r := range ranges {
		if last := len(merged) - 1; last >= 0 && r.From <= merged[last].To+1 {
			merged[last].To = max(merged[last].To, r.To)
			continue
		}
		merged = append(merged, r)
	}
	h.Status = merged
	return nil
}

func parseStatus(s string) (StatusRange, bool) {
	from, to, isRange := strings.Cut(s, "-")
	if !isRange {
		to = from
	}
	code := func(s string) int {
		n, err := strconv.Atoi(s)
		if err != nil || len(s) != 3 || n < 100 {
			return 0
		}
		return n
	}
	r := StatusRange{code(from), code(to)}
	return r, r.From != 0 && r.From <= r.To
}

// Validate implements Check.
func (h *HTTP) Validate() error {
	if h.Host == "" {
		return errors.New("host is required: the Host header to send")
	}
	if h.Method == "HEAD" && (h.Body != "" || h.BodyRegex != nil) {
		return errors.New("an answer to HEAD has no body to expect anything of")
	}
	return h.Trust.validate()
}

// sni is the name held against the certificate; the host, without a port, where none is written.
func (h *HTTP) sni() string {
	if h.SNI != "" {
		return h.SNI
	}
	return hostWithoutPort(h.Host)
}

// hostWithoutPort takes "www.example.com:8443", "192.0.2.1" or "[2001:db8::1]:8443" apart.
func hostWithoutPort(host string) string {
	if ap, err := netip.ParseAddrPort(host); err == nil {
		return ap.Addr().String()
	}
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return a.String()
	}
	name, _, _ := strings.Cut(host, ":")
	return name
}

// Identity implements Check.
func (h *HTTP) Identity(timeout time.Duration) checks.Identity {
	id := newIdentity(h.Type(), timeout)
	id.add("path", h.Path)
	id.add("host", h.Host)
	id.add("method", h.Method)
	for _, p := range h.Headers {
		id.add("header", p.Name, p.Text)
	}
	for _, r := range h.Status {
		id.add("status", strconv.Itoa(r.From), strconv.Itoa(r.To))
	}
	id.add("body", h.Body)
	id.addRegex("body_regex", h.BodyRegex)
	id.add("max_latency", strconv.FormatInt(int64(h.MaxLatency), 10))
	if h.TLS {
		trust := h.Trust
		trust.SNI = h.sni()
		trust.identify(id)
	}
	return id.sum()
}
