package auth

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
)

// A ticket opens one watch and nothing else. Its text is ticketScheme and, in URL-safe base64:
//
//	version     1 byte, ticketVersion
//	kind        1 byte, ticketKey or ticketPrefix
//	expiry      8 bytes, big-endian, in milliseconds since 1970
//	length      1 byte, of the id
//	id          of the API key that it was made with
//	target      the key or prefix
//	signature   32 bytes, HMAC-SHA256 of everything before it
//
// It is signed with the hash of the API key, which every gateway with the same keys has, and so needs no store. It dies with
// that hash.
const (
	// ticketScheme begins every ticket, so that secret scanners recognize one.
	ticketScheme = "kvt_"
	// ticketVersion is the version of tickets that this package makes and accepts.
	ticketVersion = 1
	ticketKey     = 'k'
	ticketPrefix  = 'p'
	// ticketHeader is the number of bytes before the id.
	ticketHeader = 11
	// ticketDomain is signed before every ticket, so that nothing else that is signed with the hash of a key is one.
	ticketDomain = "keyvalue.v1 watch ticket\x00"
	// stretchRounds is how often the hash of a key that a person may have chosen is hashed before it signs tickets, so that
	// a ticket does not make guessing that key cheap.
	stretchRounds = 600_000
)

var (
	// errTicketInvalid is the one answer to all tickets that are not signed with a valid key.
	errTicketInvalid error = contract.TicketInvalid.Errorf("the ticket is not valid: create another one with POST /v1/tickets")
	errTicketExpired error = contract.TicketInvalid.Errorf("the ticket has expired: create another one with POST /v1/tickets")
)

// ticket is what a ticket says, and who made it.
type ticket struct {
	id      string // of the API key
	keys    contract.Keys
	expires time.Time
	maker   *Principal // whose rights the ticket is limited to; set once its signature was verified
}

// CreateTicket returns a ticket for the caller in ctx. It fails as described on the RPC, and with reason API_KEY_INVALID if
// ctx has no caller.
func CreateTicket(ctx context.Context, req *keyvaluev1.CreateTicketRequest) (*keyvaluev1.CreateTicketResponse, error) {
	p := FromContext(ctx)
	if p == nil {
		return nil, errNoCaller
	}
	if err := p.may(req); err != nil {
		return nil, err
	}
	ttl, err := readTicket(req)
	if err != nil {
		return nil, err
	}
	t := ticket{id: p.ID, keys: contract.CreateTicket.Keys(req), expires: time.Now().Add(ttl).Truncate(time.Millisecond)}
	if !p.expires.IsZero() && p.expires.Before(t.expires) {
		t.expires = p.expires.Truncate(time.Millisecond)
	}
	return &keyvaluev1.CreateTicketResponse{Ticket: t.text(p.ticketHash()), ExpireTime: timestamppb.New(t.expires)}, nil
}

// readTicket returns the TTL that req asks for, or an error if it is not valid.
func readTicket(req *keyvaluev1.CreateTicketRequest) (time.Duration, error) {
	err := error(contract.RequestInvalid.Errorf("nothing to watch: set key or prefix; an empty prefix means all keys"))
	switch target := req.GetTarget().(type) {
	case *keyvaluev1.CreateTicketRequest_Key:
		err = contract.CheckKey(target.Key)
	case *keyvaluev1.CreateTicketRequest_Prefix:
		err = contract.CheckPart("prefix", target.Prefix)
	}
	if err != nil {
		return 0, err
	}
	return ticketTTL(req.GetTtl())
}

func ticketTTL(ttl *durationpb.Duration) (time.Duration, error) {
	if ttl == nil {
		return contract.DefaultTicketTTL, nil
	}
	d := ttl.AsDuration() // saturates, so an overflow exceeds the maximum
	if ttl.CheckValid() != nil || d <= 0 || d > contract.MaxTicketTTL {
		return 0, contract.TTLInvalid.Errorf("invalid TTL %s of a ticket: want more than 0 and at most %.0f hour", d, contract.MaxTicketTTL.Hours())
	}
	return d, nil
}

// AuthenticateTicket authenticates the bearer of a ticket and returns its principal, which may open the watch that the
// ticket is for as long as the API key that made it may, and nothing else. Peer is as for [Keys.Authenticate]. The error has
// reason TICKET_INVALID if the ticket is not valid, and RATE_LIMITED if peer has sent too many that are not.
func (k *Keys) AuthenticateTicket(text, peer string) (*Principal, error) {
	now := time.Now()
	t, maker := k.openTicket(text, now)
	if maker == nil {
		return nil, k.refuse(now, peer, errTicketInvalid)
	}
	if maker == k.single {
		if wait := k.failures.blocked(now, peer); wait > 0 {
			return nil, tooManyFailures(wait)
		}
	}
	if !now.Before(t.expires) {
		k.refused.Add(1) // its bearer guesses nothing
		return nil, errTicketExpired
	}
	t.maker = maker
	return &Principal{ID: maker.ID, rate: maker.rate, holder: maker.holder, keys: maker.keys, hash: maker.hash, ticket: &t}, nil
}

// openTicket returns what a ticket says, and the principal whose valid key signed it, or nil.
func (k *Keys) openTicket(text string, now time.Time) (ticket, *Principal) {
	t, signed, signature, ok := parseTicket(text)
	if !ok {
		return ticket{}, nil
	}
	signedBy := func(hash Hash) bool {
		return subtle.ConstantTimeCompare(sign(hash, signed), signature) == 1 && hash != Hash{} // which anybody can sign with
	}
	key := k.current().key(t.id)
	p := key.principal(signedBy(key.current), signedBy(key.previous), now)
	if k.single != nil && t.id == k.single.ID && signedBy(k.single.ticketHash()) {
		p = k.single
	}
	return t, p
}

// ticketHash returns what p signs tickets with. It is zero if p has no key.
func (p *Principal) ticketHash() Hash {
	if p.stretched != nil {
		return p.stretched()
	}
	return p.hash
}

// stretch returns a hash of hash that takes long to compute.
func stretch(hash Hash) Hash {
	stretched, err := pbkdf2.Key(sha256.New, string(hash[:]), []byte(ticketDomain), stretchRounds, len(hash))
	if err != nil {
		panic(err) // only for lengths that FIPS 140 does not allow
	}
	return Hash(stretched)
}

// sign returns the signature of the first part of a ticket.
func sign(hash Hash, text []byte) []byte {
	mac := hmac.New(sha256.New, hash[:])
	mac.Write([]byte(ticketDomain))
	mac.Write(text)
	return mac.Sum(nil)
}

// text returns t signed with hash.
func (t ticket) text(hash Hash) string {
	kind := byte(ticketKey)
	if t.keys.Prefix {
		kind = ticketPrefix
	}
	b := binary.BigEndian.AppendUint64([]byte{ticketVersion, kind}, uint64(t.expires.UnixMilli()))
	b = append(append(b, byte(len(t.id))), t.id...)
	b = append(b, t.keys.Key...)
	return ticketScheme + base64.RawURLEncoding.EncodeToString(append(b, sign(hash, b)...))
}

// parseTicket returns what a ticket says, its signed part, and its signature, which is not verified. It accepts only what
// text returns.
func parseTicket(text string) (t ticket, signed, signature []byte, ok bool) {
	encoded, ok := strings.CutPrefix(text, ticketScheme)
	if !ok || len(encoded) > base64.RawURLEncoding.EncodedLen(ticketHeader+idLength+contract.MaxKeyBytes+sha256.Size) {
		return ticket{}, nil, nil, false
	}
	b, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || len(b) < ticketHeader+sha256.Size || base64.RawURLEncoding.EncodeToString(b) != encoded { // it skips line breaks
		return ticket{}, nil, nil, false
	}
	signed, signature = b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	id, target := int(signed[ticketHeader-1]), signed[ticketHeader:]
	if signed[0] != ticketVersion || signed[1] != ticketKey && signed[1] != ticketPrefix || id > len(target) {
		return ticket{}, nil, nil, false
	}
	return ticket{
		id:      string(target[:id]),
		keys:    contract.Keys{Key: string(target[id:]), Prefix: signed[1] == ticketPrefix},
		expires: time.UnixMilli(int64(binary.BigEndian.Uint64(signed[2:]))),
	}, signed, signature, true
}

// may returns an error with reason PERMISSION_DENIED if request is not the watch that t is for, or the API key that made t
// does not allow it.
func (t *ticket) may(request any) error {
	if m := contract.MethodFor(request); m != contract.Watch || m.Keys(request) != t.keys {
		return contract.PermissionDenied.Errorf("the ticket is for another watch")
	}
	return t.maker.may(request)
}

// TicketKeys returns what the ticket of the caller in ctx is to watch, or false if the caller sent no ticket.
func TicketKeys(ctx context.Context) (contract.Keys, bool) {
	if p := FromContext(ctx); p != nil && p.ticket != nil {
		return p.ticket.keys, true
	}
	return contract.Keys{}, false
}
