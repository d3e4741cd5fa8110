package natsfleet

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// AccessError says that a server can be reached, but doesn't let this client in,
// or isn't who it should be. Trying again doesn't help.
type AccessError struct {
	Servers []string
	Why     string
	Err     error
}

func (e *AccessError) Error() string {
	return fmt.Sprintf("%s: %s: %v", strings.Join(e.Servers, ", "), e.Why, e.Err)
}

// Unwrap returns the cause.
func (e *AccessError) Unwrap() error { return e.Err }

// access makes an *AccessError of an error of a connection that says so; nil:
// it says something else, and may pass.
func (c *Config) access(err error) error {
	why := ""
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var remote *net.OpError
	var plain tls.RecordHeaderError
	switch {
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked),
		errors.Is(err, nats.ErrAccountAuthExpired), errors.Is(err, nats.ErrNkeysNotSupported):
		why = "the server refuses " + c.identity()
	case errors.Is(err, nats.ErrPermissionViolation):
		why = fmt.Sprintf("the server doesn't let %s use JetStream", c.identity())
	case errors.As(err, &unknown) && c.CAFile != "":
		why = "the server's certificate isn't signed by " + c.CAFile
	case errors.As(err, &unknown):
		why = "the server's certificate is signed by nobody whom this system trusts"
	case errors.As(err, &host):
		why = "the server's certificate is for another host"
	case errors.As(err, &invalid):
		why = "the server's certificate isn't valid"
	case errors.As(err, &remote) && remote.Op == "remote error": // an alert
		switch {
		case !strings.Contains(remote.Err.Error(), "certificate"):
			why = "the server refuses TLS as this client speaks it"
		case c.CertFile == "":
			why = "the server refuses who has no certificate"
		default:
			why = "the server refuses the certificate " + c.CertFile
		}
	case errors.Is(err, nats.ErrSecureConnWanted), errors.As(err, &plain):
		why = "the server has no TLS, as tls:// demands"
	case errors.Is(err, nats.ErrSecureConnRequired):
		why = "the server wants TLS"
	default:
		return nil
	}
	return &AccessError{c.Servers, why, err}
}

// identity is who this client is to the server, for people.
func (c *Config) identity() string {
	var who []string
	if c.CredsFile != "" {
		who = append(who, "the credentials of "+c.CredsFile)
	}
	if c.TokenFile != "" {
		who = append(who, "the token of "+c.TokenFile)
	}
	if len(who) == 0 {
		return "who has neither a token nor credentials"
	}
	return strings.Join(who, " and ")
}

// checkCreds refuses a file that holds no credentials, before anybody is asked.
func checkCreds(name string) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	_, err = nkeys.ParseDecoratedJWT(b)
	if err == nil {
		var key nkeys.KeyPair
		if key, err = nkeys.ParseDecoratedUserNKey(b); err == nil {
			key.Wipe()
			return nil
		}
	}
	return fmt.Errorf("%s: no credentials: %w", name, err)
}

// checkCA refuses a file that holds no certificates.
func checkCA(name string) error {
	b, err := os.ReadFile(name)
	if err == nil && !x509.NewCertPool().AppendCertsFromPEM(b) {
		err = fmt.Errorf("%s: no certificates in PEM", name)
	}
	return err
}
