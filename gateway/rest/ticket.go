package rest

import (
	"net/http"
	"net/url"
	"time"

	"github.com/go-json-experiment/json"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/auth"
	"key-value/internal/contract"
)

// ticketParameter is the query parameter with the ticket of a caller that cannot send an API key.
const ticketParameter = "ticket"

// ticketBody is the JSON body of a request for a ticket.
type ticketBody struct {
	Key    *string  `json:"key"`    // nil: not set
	Prefix *string  `json:"prefix"` // nil: not set
	TTL    *ttlText `json:"ttl"`    // nil: the default
}

func (b ticketBody) request() (*keyvaluev1.CreateTicketRequest, error) {
	ttl, err := parseTTLIfAny(b.TTL, contract.MaxTicketTTL)
	if err != nil {
		return nil, err
	}
	req := &keyvaluev1.CreateTicketRequest{Ttl: ttl}
	switch {
	case b.Key != nil && b.Prefix != nil:
		return nil, errTwoTargets
	case b.Key != nil:
		req.Target = &keyvaluev1.CreateTicketRequest_Key{Key: *b.Key}
	case b.Prefix != nil:
		req.Target = &keyvaluev1.CreateTicketRequest_Prefix{Prefix: *b.Prefix}
	default:
		return nil, errNoTarget
	}
	return req, nil
}

// createdTicket is the JSON form of CreateTicketResponse.
type createdTicket struct {
	Ticket     string    `json:"ticket"`
	ExpireTime time.Time `json:"expireTime"`
}

// createTicket serves POST of a ticket. The service does not know the API key that signs it.
func (a *api) createTicket(w http.ResponseWriter, r request) error {
	if err := acceptable(r.Header["Accept"], offerOf(formatJSON)); err != nil {
		return err
	}
	if err := rejectConditions(r.Header); err != nil {
		return err
	}
	var body ticketBody
	if err := a.requireJSON(w, r, &body, `{"prefix":"news/","ttl":"5m"}`, contract.ValueTooLarge); err != nil {
		return err
	}
	req, err := body.request()
	if err != nil {
		return err
	}
	res, err := auth.CreateTicket(r.Context(), req)
	if err != nil {
		return err
	}
	answer, err := json.Marshal(createdTicket{res.GetTicket(), res.GetExpireTime().AsTime()})
	if err != nil {
		return err
	}
	setCommonHeaders(w.Header())
	w.Header()["Content-Type"] = jsonType
	writeBody(w, r.Request, http.StatusOK, append(answer, '\n'))
	return nil
}

var noReferrer = []string{"no-referrer"}

// ticketOf returns the ticket in the query of r, or nil if there is none. A browser that shows the response to r does not
// tell anybody its URL.
func ticketOf(w http.ResponseWriter, r *http.Request) *string {
	query, _ := url.ParseQuery(r.URL.RawQuery) // a query that is malformed is rejected later
	if !query.Has(ticketParameter) {
		return nil
	}
	w.Header()["Referrer-Policy"] = noReferrer
	ticket := query.Get(ticketParameter)
	return &ticket
}

// ticketTarget sets the target of req to what the caller's ticket is for.
func ticketTarget(req *keyvaluev1.WatchRequest, r request) error {
	keys, ok := auth.TicketKeys(r.Context())
	switch {
	case r.query.Has("key"), r.query.Has("prefix"):
		return contract.RequestInvalid.Errorf("a ticket says what to watch: leave out key and prefix")
	case !ok:
		return contract.TicketInvalid.Errorf("tickets are not accepted here")
	case keys.Prefix:
		req.Target = &keyvaluev1.WatchRequest_Prefix{Prefix: keys.Key}
	default:
		req.Target = &keyvaluev1.WatchRequest_Key{Key: keys.Key}
	}
	return nil
}
