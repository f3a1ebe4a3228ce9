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

// putEntry serves PUT of a body that contains its key. The status is 200 even if the key is new.
func (a *api) putEntry(w http.ResponseWriter, r request) error {
	set, err := a.readEntry(w, r)
	if err != nil {
		return err
	}
	res, err := a.set(r, set)
	if err != nil {
		return err
	}
	return a.writeEntry(w, r, http.StatusOK, written(set, res), formatJSON)
}

// putValue serves PUT of a key with the entry as GET would return it. The status is 201 if the key is new, otherwise 200.
func (a *api) putValue(w http.ResponseWriter, r request) error {
	set, err := a.readValue(w, r)
	if err != nil {
		return err
	}
	res, err := a.set(r, set)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if res.GetCreated() {
		status = http.StatusCreated
		w.Header()["Location"] = []string{r.reference(keyPath(r.key))}
	}
	return a.writeEntry(w, r, status, written(set, res), formatJSON)
}

// readEntry reads the body of a PUT that contains its key. It is always JSON.
func (a *api) readEntry(w http.ResponseWriter, r request) (*keyvaluev1.SetRequest, error) {
	var body entryBody
	if err := a.requireJSON(w, r, &body, `{"key":"a","value":"x"}`, contract.ValueTooLarge); err != nil {
		return nil, err
	}
	return body.setRequest(r, body.Key)
}

// readValue reads the body of a PUT of a key: the value itself, or JSON.
func (a *api) readValue(w http.ResponseWriter, r request) (*keyvaluev1.SetRequest, error) {
	media, err := mediaType(w, r.Header, "a value", mediaText, mediaBytes, mediaJSON)
	if err != nil {
		return nil, err
	}
	if media != mediaJSON {
		return a.readRawValue(w, r)
	}
	var body valueBody
	if err := a.readJSON(w, r, &body, contract.ValueTooLarge); err != nil {
		return nil, err
	}
	return body.setRequest(r, r.key)
}

func (a *api) readRawValue(w http.ResponseWriter, r request) (*keyvaluev1.SetRequest, error) {
	set := &keyvaluev1.SetRequest{Key: r.key}
	if err := r.setTTL(set, nil); err != nil {
		return nil, err
	}
	var body bytes.Buffer
	if err := readBody(w, r, &body, a.maxValue, contract.ValueTooLarge); err != nil {
		return nil, err
	}
	setContent(set, body.Bytes())
	admission.Decoded(r.Body)
	return set, nil
}

// valueBody is the JSON body of a PUT of a key. Null means the same as an absent member.
type valueBody struct {
	Value *string  `json:"value"`
	Data  []byte   `json:"data"` // in base64
	TTL   *ttlText `json:"ttl"`
}

// entryBody is the JSON body of a PUT that contains its key.
type entryBody struct {
	Key string `json:"key"`
	valueBody
}

// setRequest returns the request that stores b under key.
func (b valueBody) setRequest(r request, key string) (*keyvaluev1.SetRequest, error) {
	set := &keyvaluev1.SetRequest{Key: key}
	if err := r.setTTL(set, b.TTL); err != nil {
		return nil, err
	}
	if err := b.addContent(set); err != nil {
		return nil, err
	}
	if set.Content == nil {
		return nil, contract.ValueInvalid.Errorf(`the body has neither value nor data: for an empty value, send "value":""`)
	}
	return set, nil
}

// addContent sets the content of set, unless b has neither value nor data.
func (b valueBody) addContent(set *keyvaluev1.SetRequest) error {
	switch {
	case b.Value != nil && b.Data != nil:
		return contract.RequestInvalid.Errorf("both value and data are set: set one of them")
	case b.Value != nil:
		set.Content = &keyvaluev1.SetRequest_Value{Value: *b.Value}
	case b.Data != nil:
		setContent(set, b.Data)
	}
	return nil
}

// set stores an entry if the conditions of r hold.
func (a *api) set(r request, set *keyvaluev1.SetRequest) (res *keyvaluev1.SetResponse, err error) {
	c, err := parseWriteCondition(r.Header)
	if err != nil {
		return nil, err
	}
	if err := r.account.Reserve(answerSize(set)); err != nil {
		return nil, err
	}
	r.account.MustAnswer()
	ctx := a.withTimeout(r)
	defer ctx.Cancel()
	err = a.conditionally(ctx, set.GetKey(), c, func(p *keyvaluev1.Precondition) (err error) {
		set.Precondition = p
		res, err = a.client.Set(ctx, set)
		return err
	})
	return res, err
}

// answerSize returns what the response to set takes in memory, in bytes: the content, and the content in JSON.
func answerSize(set *keyvaluev1.SetRequest) int64 {
	text, data := set.GetValue(), set.GetData()
	return int64(len(text) + len(data) + messagejson.Length(text, data))
}

// written returns the entry that set stored, with its content, which the service does not return.
func written(set *keyvaluev1.SetRequest, res *keyvaluev1.SetResponse) *keyvaluev1.Entry {
	entry := res.GetEntry()
	if entry == nil {
		entry = &keyvaluev1.Entry{}
	}
	entry.Key = set.GetKey()
	switch content := set.GetContent().(type) {
	case *keyvaluev1.SetRequest_Value:
		entry.Content = &keyvaluev1.Entry_Value{Value: content.Value}
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
	if err := b.addContent(set); err != nil {
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
