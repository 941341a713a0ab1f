package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const validFor = 365 * 24 * time.Hour

// identity is one certificate: its file's name, whom it names, and where a server with it may be.
type identity struct {
	file, name, organisation string
	hosts                    []string
}

// writeKeys writes a cluster's keys into FOLDER: an authority, a certificate for each part, and the
// pair that signs the tokens of service accounts. HOSTS are the names and addresses at which the API server and the kubelet are called.
func writeKeys(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("expected FOLDER NODE HOSTS, got %d arguments", len(args))
	}
	folder, node, hosts := args[0], args[1], strings.Split(args[2], ",")
	authority, signer, err := newAuthority(folder)
	if err != nil {
		return err
	}
	for _, one := range []identity{
		{file: "apiserver", name: "kube-apiserver", hosts: hosts},
		{file: "admin", name: "admin", organisation: "system:masters"},
		{file: "kube-controller-manager", name: "system:kube-controller-manager"},
		{file: "kube-scheduler", name: "system:kube-scheduler"},
		{file: "kubelet", name: "system:node:" + node, organisation: "system:nodes", hosts: hosts},
	} {
		if err = one.write(folder, authority, signer); err != nil {
			return err
		}
	}
	tokens, err := newKey(folder, "tokens")
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(tokens.Public())
	if err != nil {
		return err
	}
	return writePEM(filepath.Join(folder, "tokens.pub"), "PUBLIC KEY", public)
}

func newAuthority(folder string) (*x509.Certificate, crypto.Signer, error) {
	key, err := newKey(folder, "ca")
	if err != nil {
		return nil, nil, err
	}
	template := newTemplate(pkix.Name{CommonName: "onceproof cluster"})
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	made, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	certificate, err := x509.ParseCertificate(made)
	if err != nil {
		return nil, nil, err
	}
	return certificate, key, writePEM(filepath.Join(folder, "ca.crt"), "CERTIFICATE", made)
}

func (one identity) write(folder string, authority *x509.Certificate, signer crypto.Signer) error {
	key, err := newKey(folder, one.file)
	if err != nil {
		return err
	}
	subject := pkix.Name{CommonName: one.name}
	if one.organisation != "" {
		subject.Organization = []string{one.organisation}
	}
	template := newTemplate(subject)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	for _, host := range one.hosts {
		if address := net.ParseIP(host); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	made, err := x509.CreateCertificate(rand.Reader, template, authority, key.Public(), signer)
	if err != nil {
		return err
	}
	return writePEM(filepath.Join(folder, one.file+".crt"), "CERTIFICATE", made)
}

func newTemplate(subject pkix.Name) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      subject,
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(validFor),
	}
}

func newKey(folder, name string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	bytes, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writePEM(filepath.Join(folder, name+".key"), "PRIVATE KEY", bytes)
}

func writePEM(file, kind string, bytes []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600)
}
