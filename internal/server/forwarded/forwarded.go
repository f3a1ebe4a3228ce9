// Package forwarded finds the addresses of callers behind proxies.
//
// A proxy appends the address that it was called from to X-Forwarded-For or Forwarded (RFC 7239). Anyone can send these
// headers, so only what trusted proxies have appended counts: the addresses from the right, up to and including the first
// that is not a trusted proxy's.
package forwarded

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Proxies are the networks of trusted proxies. Nil: no proxy is trusted.
type Proxies []netip.Prefix

// ParseNetwork returns the network in text: a CIDR such as 10.0.0.0/8, or a single address.
func ParseNetwork(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	network, err := netip.ParsePrefix(text)
	switch {
	case err != nil || network.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("%q is neither an address nor a network: want 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32", text)
	case network.Bits() == 0:
		return netip.Prefix{}, fmt.Errorf("%q includes every address, so callers could claim any: want only the networks of proxies", text)
	case network != network.Masked():
		return netip.Prefix{}, fmt.Errorf("%q is an address within a network: want %v or %v", text, network.Masked(), network.Addr())
	}
	return network, nil
}

// Trust reports whether addr is a trusted proxy's.
func (p Proxies) Trust(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	for _, network := range p {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

// TrustPeer reports whether addr, of the peer of a connection, is a trusted proxy's.
func (p Proxies) TrustPeer(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && p.Trust(tcp.AddrPort().Addr())
}

// Caller returns the address of the caller whose request a trusted proxy has sent, without a port. Values returns the
// values of a header. It returns false if the headers do not say, or contradict each other: most proxies write only one
// of the two, and pass on the other as their caller sent it.
func (p Proxies) Caller(values func(header string) []string) (string, bool) {
	list, elements := values("X-Forwarded-For"), values("Forwarded")
	caller := p.last(list, parseAddr)
	switch {
	case len(list) == 0:
		caller = p.last(elements, parseElement)
	case len(elements) != 0 && caller != p.last(elements, parseElement):
		return "", false
	}
	return caller.String(), caller.IsValid()
}

// last returns the last address in lists that is not a trusted proxy's. If all are, or what precedes them is not an
// address, it returns the first of those. It is invalid if there is none.
func (p Proxies) last(lists []string, parse func(string) netip.Addr) (caller netip.Addr) {
	for i := len(lists) - 1; i >= 0; i-- {
		for rest, found := lists[i], true; found; {
			var element string
			rest, element, found = cutLast(rest)
			if element = strings.Trim(element, " \t"); element == "" {
				continue
			}
			addr := parse(element)
			if !addr.IsValid() {
				return caller
			}
			if caller = addr; !p.Trust(addr) {
				return caller
			}
		}
	}
	return caller
}

// cutLast cuts list at its last comma, even within quotes: what a caller sends before could open a quote, but what a
// proxy appends has none with a comma in it.
func cutLast(list string) (before, last string, found bool) {
	i := strings.LastIndexByte(list, ',')
	if i < 0 {
		return "", list, false
	}
	return list[:i], list[i+1:], true
}

// parseElement returns the address in an element of Forwarded, such as for="[2001:db8::1]:4711";proto=https.
func parseElement(element string) netip.Addr {
	for pair := range strings.SplitSeq(element, ";") {
		name, value, _ := strings.Cut(strings.Trim(pair, " \t"), "=")
		if strings.EqualFold(name, "for") {
			return parseAddr(strings.Trim(value, `"`))
		}
	}
	return netip.Addr{}
}

// parseAddr returns the address in text, which may have a port. It is invalid if there is none.
func parseAddr(text string) netip.Addr {
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return withPort.Addr().Unmap().WithZone("")
	}
	if inner, ok := strings.CutPrefix(text, "["); ok {
		text = strings.TrimSuffix(inner, "]")
	}
	addr, _ := netip.ParseAddr(text)
	return addr.Unmap().WithZone("")
}
