package rest

import (
	"bytes"
	"net/http"
	"unicode/utf8"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/admission"
	"key-value/internal/contract"
	"key-value/internal/contract/messagejson"
)

// put is what serving a PUT takes, in one allocation.
type put struct {
	body    entryBody
	request keyvaluev1.SetRequest
	text    keyvaluev1.SetRequest_Value
	written keyvaluev1.Entry_Value
}

// putEntry serves PUT of a body that contains its key. The status is 200 even if the key is new.
func (a *api) putEntry(w http.ResponseWriter, r request) error {
	p := &put{}
	if err := a.readEntry(w, r, p); err != nil {
		return err
	}
	res, err := a.set(r, p)
	if err != nil {
		return err
	}
	return a.writeEntry(w, r, http.StatusOK, p.entry(res), formatJSON)
}

// putValue serves PUT of a key with the entry as GET would return it. The status is 201 if the key is new, otherwise 200.
func (a *api) putValue(w http.ResponseWriter, r request) error {
	p := &put{}
	if err := a.readValue(w, r, p); err != nil {
		return err
	}
	res, err := a.set(r, p)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if res.GetCreated() {
		status = http.StatusCreated
		w.Header()["Location"] = []string{r.reference(keyPath(r.key))}
	}
	return a.writeEntry(w, r, status, p.entry(res), formatJSON)
}

// readEntry reads the body of a PUT that contains its key. It is always JSON.
func (a *api) readEntry(w http.ResponseWriter, r request, p *put) error {
	if err := a.requireJSON(w, r, &p.body, `{"key":"a","value":"x"}`, contract.ValueTooLarge); err != nil {
		return err
	}
	return p.describe(r, p.body.Key)
}

// readValue reads the body of a PUT of a key: the value itself, or JSON.
func (a *api) readValue(w http.ResponseWriter, r request, p *put) error {
	media, err := mediaType(w, r.Header, "a value", mediaText, mediaBytes, mediaJSON)
	if err != nil {
		return err
	}
	if media != mediaJSON {
		return a.readRawValue(w, r, p)
	}
	if err := a.readJSON(w, r, &p.body.valueBody, contract.ValueTooLarge); err != nil {
		return err
	}
	return p.describe(r, r.key)
}

func (a *api) readRawValue(w http.ResponseWriter, r request, p *put) error {
	p.request.Key = r.key
	if err := r.setTTL(&p.request, nil); err != nil {
		return err
	}
	var body bytes.Buffer
	if err := readBody(w, r, &body, a.maxValue, contract.ValueTooLarge); err != nil {
		return err
	}
	setContent(&p.request, body.Bytes())
	admission.Decoded(r.Body)
	return nil
}

// describe makes p the request that stores its body under key.
func (p *put) describe(r request, key string) error {
	p.request.Key = key
	if err := r.setTTL(&p.request, p.body.TTL); err != nil {
		return err
	}
	if err := p.body.addContent(&p.request, &p.text); err != nil {
		return err
	}
	if p.request.Content == nil {
		return contract.ValueInvalid.Errorf(`the body has neither value nor data: for an empty value, send "value":""`)
	}
	return nil
}

// valueBody is the JSON body of a PUT of a key. Null means the same as an absent member.
type valueBody struct {
	Value *string  `json:"value"`
	Data  []byte   `json:"data"` // in base64
	TTL   *ttlText `json:"ttl"`

	text string // what Value may point to
}

// entryBody is the JSON body of a PUT that contains its key.
type entryBody struct {
	Key string `json:"key"`
	valueBody
}

// readPlain decodes data if it is an object of plain strings without a TTL, as most bodies are. Otherwise it returns false
// and leaves b empty.
func (b *valueBody) readPlain(data []byte) bool {
	key, value, ok := messagejson.Plain(data)
	if !ok || key != "" {
		return false
	}
	b.keep(value)
	return true
}

// readPlain is readPlain of valueBody for a body that contains its key.
func (b *entryBody) readPlain(data []byte) bool {
	key, value, ok := messagejson.Plain(data)
	if !ok || key == "" {
		return false
	}
	b.Key = key
	b.keep(value)
	return true
}

// keep makes text the value.
func (b *valueBody) keep(text string) { b.text, b.Value = text, &b.text }

// addContent sets the content of set, unless b has neither value nor data. Text is for a text.
func (b *valueBody) addContent(set *keyvaluev1.SetRequest, text *keyvaluev1.SetRequest_Value) error {
	switch {
	case b.Value != nil && b.Data != nil:
		return contract.RequestInvalid.Errorf("both value and data are set: set one of them")
	case b.Value != nil:
		text.Value = *b.Value
		set.Content = text
	case b.Data != nil:
		setContent(set, b.Data)
	}
	return nil
}

// set stores the entry of p if the conditions of r hold.
func (a *api) set(r request, p *put) (res *keyvaluev1.SetResponse, err error) {
	c, err := parseWriteCondition(r.Header)
	if err != nil {
		return nil, err
	}
	if err := r.account.Reserve(answerSize(&p.request)); err != nil {
		return nil, err
	}
	r.account.MustAnswer()
	ctx := &r.serving.call
	ctx.InitTimeout(r.Context(), a.timeout)
	defer ctx.Cancel()
	err = a.conditionally(ctx, p.request.GetKey(), c, func(precondition *keyvaluev1.Precondition) (err error) {
		p.request.Precondition = precondition
		res, err = a.client.Set(ctx, &p.request)
		return err
	})
	return res, err
}

// answerSize returns what the response to set takes in memory, in bytes: the content, and the content in JSON.
func answerSize(set *keyvaluev1.SetRequest) int64 {
	text, data := set.GetValue(), set.GetData()
	return int64(len(text) + len(data) + messagejson.Length(text, data))
}

// entry returns the entry that was stored, with its content, which the service does not return.
func (p *put) entry(res *keyvaluev1.SetResponse) *keyvaluev1.Entry {
	entry := res.GetEntry()
	if entry == nil {
		entry = &keyvaluev1.Entry{}
	}
	entry.Key = p.request.GetKey()
	switch content := p.request.GetContent().(type) {
	case *keyvaluev1.SetRequest_Value:
		p.written.Value = content.Value
		entry.Content = &p.written
	case *keyvaluev1.SetRequest_Data:
		entry.Content = &keyvaluev1.Entry_Data{Data: content.Data}
	}
	return entry
}

// setContent makes data the content of set, as text if it is UTF-8.
func setContent(set *keyvaluev1.SetRequest, data []byte) {
	if utf8.Valid(data) {
		set.Content = &keyvaluev1.SetRequest_Value{Value: string(data)}
		return
	}
	set.Content = &keyvaluev1.SetRequest_Data{Data: data}
}

type setBody struct {
	entryBody
	Precondition *preconditionBody `json:"precondition"`
}

func (b *setBody) operation() (*keyvaluev1.Operation, error) {
	set := &keyvaluev1.SetRequest{Key: b.Key}
	if err := b.addContent(set, &keyvaluev1.SetRequest_Value{}); err != nil {
		return nil, err
	}
	if err := setTTL(set, b.TTL); err != nil {
		return nil, err
	}
	var err error
	set.Precondition, err = b.Precondition.precondition()
	return contract.Set.Wrap(set), err
}

// keepTTL, in place of a duration, keeps the TTL that the entry has.
const keepTTL = "keep"

// setTTL gives set the TTL in the query or, if there is none, inBody, which is nil if the body has none.
func (r request) setTTL(set *keyvaluev1.SetRequest, inBody *ttlText) error {
	if !r.query.Has("ttl") {
		return setTTL(set, inBody)
	}
	if inBody != nil {
		return contract.RequestInvalid.Errorf("both the query and the body set ttl: set it once")
	}
	inQuery := ttlText(r.query.Get("ttl"))
	return setTTL(set, &inQuery)
}

// setTTL gives set a TTL: a duration, or keepTTL. Nil means no TTL.
func setTTL(set *keyvaluev1.SetRequest, text *ttlText) (err error) {
	if text != nil && *text == keepTTL {
		set.KeepTtl = true
		return nil
	}
	set.Ttl, err = parseTTLIfAny(text, contract.MaxTTL)
	return err
}
