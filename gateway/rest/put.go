package rest

import (
	"cmp"
	"net/http"
	"unicode/utf8"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// putEntry answers PUT of a body that names its key. It is 200 also when the key is new.
func (a *api) putEntry(w http.ResponseWriter, r request) error {
	set, err := a.entryOf(w, r)
	if err != nil {
		return err
	}
	res, err := a.set(r, set)
	if err != nil {
		return err
	}
	a.writeEntry(w, r, http.StatusOK, written(set, res), formatJSON)
	return nil
}

// putValue answers PUT of a key: 201 if it is new, otherwise 200, with the entry as a GET would show it.
func (a *api) putValue(w http.ResponseWriter, r request) error {
	set, err := a.valueOf(w, r)
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
		w.Header()["Location"] = []string{keyPath(r.key)}
	}
	a.writeEntry(w, r, status, written(set, res), formatJSON)
	return nil
}

// set writes under the conditions of r.
func (a *api) set(r request, set *keyvaluev1.SetRequest) (res *keyvaluev1.SetResponse, err error) {
	c, err := parseCondition(r.Header)
	if err != nil {
		return nil, err
	}
	ctx, cancel := a.deadline(r)
	defer cancel()
	err = a.conditionally(ctx, set.GetKey(), c, func(p *keyvaluev1.Precondition) (err error) {
		set.Precondition = p
		res, err = a.client.Set(ctx, set)
		return err
	})
	return res, err
}

// written returns the entry that set has made. The service does not send the content back.
func written(set *keyvaluev1.SetRequest, res *keyvaluev1.SetResponse) *keyvaluev1.Entry {
	entry := cmp.Or(res.GetEntry(), &keyvaluev1.Entry{})
	entry.Key = set.GetKey()
	switch content := set.GetContent().(type) {
	case *keyvaluev1.SetRequest_Value:
		entry.Content = &keyvaluev1.Entry_Value{Value: content.Value}
	case *keyvaluev1.SetRequest_Data:
		entry.Content = &keyvaluev1.Entry_Data{Data: content.Data}
	}
	return entry
}

// setContent stores data in set, as text if it is text.
func setContent(set *keyvaluev1.SetRequest, data []byte) {
	if utf8.Valid(data) {
		set.Content = &keyvaluev1.SetRequest_Value{Value: string(data)}
		return
	}
	set.Content = &keyvaluev1.SetRequest_Data{Data: data}
}
