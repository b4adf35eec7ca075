package probe

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Trust is how a check judges the certificate it is shown.
type Trust struct {
	SNI      string              // name asked for and held against the certificate
	Insecure bool                // any certificate will do
	CA       []*x509.Certificate // instead of the system's authorities; nil: the system's
	CertDays int                 // least days the certificate must still be valid, 0 to 3650
}

func (t *Trust) keys(sniDefault string) []Key {
	sni := domainKey("sni", "name asked for in the handshake, and that the certificate must be for", &t.SNI)
	sni.Default = sniDefault
	return []Key{
		sni,
		flagKey("insecure", "accept any certificate", &t.Insecure),
		{Name: "ca_file", Kind: File, Default: "the system's authorities", Doc: "PEM file of the authorities to trust",
			Set: func(v Value) error {
				ca, err := parseCA(v.Data)
				if err != nil {
					return err
				}
				t.CA = ca
				return nil
			}},
		{Name: "cert_days", Kind: Integer, Default: "0", Doc: "least days that the certificate must still be valid, 0 to 3650",
			Set: func(v Value) error {
				if v.Integer < 0 || v.Integer > 3650 {
					return fmt.Errorf("%d is not a number of days from 0 to 3650", v.Integer)
				}
				t.CertDays = int(v.Integer)
				return nil
			}},
	}
}

func (t *Trust) validate() error {
	if t.Insecure && t.CA != nil {
		return errors.New("ca_file means nothing beside insecure = true")
	}
	return nil
}

// parseCA reads the certificates of a PEM file; anything else in it is an error.
func parseCA(data []byte) ([]*x509.Certificate, error) {
	var ca []*x509.Certificate
	for {
		var block *pem.Block
		block, data = pem.Decode(data)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("holds a %s, not only certificates", quoted(block.Type))
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d of the file: %w", len(ca)+1, err)
		}
		ca = append(ca, cert)
	}
	if len(ca) == 0 {
		return nil, errors.New("holds no certificate in PEM form")
	}
	return ca, nil
}

// identify digests the authorities by content: what a result means follows the certificates, not the
// path they were read from.
func (t *Trust) identify(id *identity) {
	id.add("sni", t.SNI)
	id.add("insecure", strconv.FormatBool(t.Insecure))
	id.add("cert_days", strconv.Itoa(t.CertDays))
	sums := make([]string, len(t.CA))
	for i, c := range t.CA {
		sum := sha256.Sum256(c.Raw)
		sums[i] = hex.EncodeToString(sum[:])
	}
	slices.Sort(sums)
	id.add("ca", slices.Compact(sums)...)
}

// pool is the authorities to trust; nil: the system's.
func (t *Trust) pool() *x509.CertPool {
	if t.CA == nil {
		return nil
	}
	pool := x509.NewCertPool()
	for _, c := range t.CA {
		pool.AddCert(c)
	}
	return pool
}

// config makes the configuration for the name that is asked for. Sessions are not resumed: each probe
// sees the certificate anew.
func (t *Trust) config(name string, pool *x509.CertPool) *tls.Config {
	return &tls.Config{ServerName: name, RootCAs: pool, InsecureSkipVerify: t.Insecure}
}

// accept shakes hands and judges the certificate shown; it returns the end of its validity in any case.
func (t *Trust) accept(tc *tls.Conn) (notAfter time.Time, err error) {
	notAfter, err = handshake(tc)
	if err == nil {
		return notAfter, t.enough(notAfter, time.Now())
	}
	if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); unknown && t.CA == nil && !haveAuthorities() {
		err = void("this node knows no authorities: install ca-certificates, or set ca_file")
	}
	return notAfter, err
}

// haveAuthorities reports whether the system has any: without them every certificate is refused.
func haveAuthorities() bool {
	pool, err := x509.SystemCertPool()
	return err == nil && !pool.Equal(x509.NewCertPool())
}

// enough refuses a certificate that ends too soon.
func (t *Trust) enough(notAfter, now time.Time) error {
	left := notAfter.Sub(now)
	if t.CertDays == 0 || left >= time.Duration(t.CertDays)*24*time.Hour {
		return nil
	}
	if left <= 0 {
		return failed("certificate expired")
	}
	return failed("certificate expires in %d days, not %d", int(left.Hours()/24), t.CertDays)
}
