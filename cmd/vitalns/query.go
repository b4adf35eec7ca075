package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"
	"github.com/spf13/cobra"
)

// queryTimeout is for one attempt; UDP is tried twice.
const queryTimeout = 2 * time.Second

func queryCommand(*options) *cobra.Command {
	var asJSON, short, tcp bool
	var class string
	c := &cobra.Command{
		Use:     "query NAME [TYPE] [@HOST[:PORT]]",
		Short:   "ask a nameserver, with what it says of itself and of its reasons (NSID, EDE)",
		Example: "  vitalns query www.gslb.example.com A @127.0.0.1:5300",
		Args:    cobra.RangeArgs(1, 3),
		RunE: func(c *cobra.Command, args []string) error {
			q, server, err := parseQuery(args, class)
			if err != nil {
				return err
			}
			resp, took, err := exchange(c.Context(), q, server, tcp)
			if err != nil {
				return &failure{code: exitNoNode, err: fmt.Errorf("ask %s: %w", server, err), hint: "does a nameserver listen there?"}
			}
			if asJSON {
				return printValue(c.OutOrStdout(), queryJSON(resp, server, took))
			}
			return drawQuery(c.OutOrStdout(), resp, server, took, short)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&short, "short", false, "print only the data of the answer")
	c.Flags().BoolVar(&tcp, "tcp", false, "use TCP from the start")
	c.Flags().StringVar(&class, "class", "IN", "IN, or CH for the one-line explain")
	return c
}

func parseQuery(args []string, class string) (*dns.Msg, string, error) {
	server, qtype := "127.0.0.1:5300", dns.TypeA
	name := ""
	for _, arg := range args {
		t, isType := dns.StringToType[strings.ToUpper(arg)]
		switch {
		case strings.HasPrefix(arg, "@"):
			server = arg[1:]
			if _, _, err := net.SplitHostPort(server); err != nil {
				server = net.JoinHostPort(strings.Trim(server, "[]"), "53")
			}
		case name == "":
			name = arg
		case isType:
			qtype = t
		default:
			return nil, "", usageError("%q is no record type", arg)
		}
	}
	if name == "" {
		return nil, "", usageError("query needs a name")
	}
	if _, ok := dns.IsDomainName(name); !ok {
		return nil, "", usageError("%q is no domain name", name)
	}
	qclass, ok := dns.StringToClass[strings.ToUpper(class)]
	if !ok {
		return nil, "", usageError("%q is no class", class)
	}
	if qclass == dns.ClassCHAOS && len(args) < 3 && qtype == dns.TypeA {
		qtype = dns.TypeTXT
	}
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), qtype)
	m.Question[0].Qclass = qclass
	m.RecursionDesired = false
	m.SetEdns0(1232, false)
	opt := m.IsEdns0()
	opt.Option = append(opt.Option, &dns.EDNS0_NSID{Code: dns.EDNS0NSID})
	return m, server, nil
}

// exchange asks over UDP, twice, and over TCP if the answer was cut.
func exchange(ctx context.Context, q *dns.Msg, server string, tcp bool) (*dns.Msg, time.Duration, error) {
	udp := &dns.Client{Net: "udp", Timeout: queryTimeout}
	stream := &dns.Client{Net: "tcp", Timeout: queryTimeout}
	if tcp {
		return stream.ExchangeContext(ctx, q, server)
	}
	resp, took, err := udp.ExchangeContext(ctx, q, server)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		resp, took, err = udp.ExchangeContext(ctx, q, server)
	}
	if err == nil && resp.Truncated {
		return stream.ExchangeContext(ctx, q, server)
	}
	return resp, took, err
}

// asides are what a nameserver says beside the answer.
func asides(m *dns.Msg) (nsid string, ede []string) {
	opt := m.IsEdns0()
	if opt == nil {
		return "", nil
	}
	for _, o := range opt.Option {
		switch o := o.(type) {
		case *dns.EDNS0_NSID:
			nsid = hexText(o.Nsid)
		case *dns.EDNS0_EDE:
			ede = append(ede, strings.TrimSpace(fmt.Sprintf("%d (%s) %s", o.InfoCode, dns.ExtendedErrorCodeToString[o.InfoCode], o.ExtraText)))
		}
	}
	return nsid, ede
}

func hexText(h string) string {
	var b []byte
	if _, err := fmt.Sscanf(h, "%x", &b); err != nil {
		return h
	}
	return string(b)
}

func drawQuery(out io.Writer, m *dns.Msg, server string, took time.Duration, short bool) error {
	if short {
		for _, rr := range m.Answer {
			fmt.Fprintln(out, strings.TrimPrefix(rr.String(), rr.Header().String()))
		}
		return nil
	}
	var flags []string
	for _, f := range []struct {
		on   bool
		name string
	}{{m.Authoritative, "aa"}, {m.Truncated, "tc"}, {m.RecursionAvailable, "ra"}} {
		if f.on {
			flags = append(flags, f.name)
		}
	}
	nsid, ede := asides(m)
	fmt.Fprintf(out, "%s  flags %s  from %s", dns.RcodeToString[m.Rcode], dash(strings.Join(flags, " ")), server)
	if nsid != "" {
		fmt.Fprintf(out, " (%s)", nsid)
	}
	fmt.Fprintf(out, "  in %s\n", took.Round(10*time.Microsecond))
	for _, e := range ede {
		fmt.Fprintln(out, "EDE:", e)
	}
	for _, s := range []struct {
		name string
		rrs  []dns.RR
	}{{"answer", m.Answer}, {"authority", m.Ns}, {"additional", m.Extra}} {
		for _, rr := range s.rrs {
			if rr.Header().Rrtype != dns.TypeOPT {
				fmt.Fprintf(out, "%-10s  %s\n", s.name, rr)
			}
		}
	}
	return nil
}

func queryJSON(m *dns.Msg, server string, took time.Duration) any {
	nsid, ede := asides(m)
	text := func(rrs []dns.RR) []string {
		out := []string{}
		for _, rr := range rrs {
			if rr.Header().Rrtype != dns.TypeOPT {
				out = append(out, rr.String())
			}
		}
		return out
	}
	return struct {
		Schema     int      `json:"schema"`
		Server     string   `json:"server"`
		Seconds    float64  `json:"seconds"`
		Rcode      string   `json:"rcode"`
		AA         bool     `json:"aa"`
		NSID       string   `json:"nsid,omitempty"`
		EDE        []string `json:"ede,omitempty"`
		Answer     []string `json:"answer"`
		Authority  []string `json:"authority"`
		Additional []string `json:"additional"`
	}{1, server, took.Seconds(), dns.RcodeToString[m.Rcode], m.Authoritative, nsid, ede, text(m.Answer), text(m.Ns), text(m.Extra)}
}
