package rest

import (
	"net/http"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// getValue answers GET and HEAD of a key. A condition counts only if the answer would be 200 without it.
func (a *api) getValue(w http.ResponseWriter, r request) error {
	c, err := parseCondition(r.Header)
	if err != nil {
		return err
	}
	ctx, cancel := a.deadline(r)
	defer cancel()
	res, err := a.client.Get(ctx, &keyvaluev1.GetRequest{Key: r.key})
	if err != nil {
		return err
	}
	return a.answerRead(w, r, c, res.GetEntry())
}

func (a *api) answerRead(w http.ResponseWriter, r request, c condition, entry *keyvaluev1.Entry) error {
	f, err := negotiate(r.Header["Accept"], isText(entry))
	if err != nil {
		return err
	}
	if err := c.checkMatch(state{exists: true, etag: entry.GetEtag()}); err != nil {
		return err
	}
	if c.noneMatch.MatchesWeakly(entry.GetEtag()) {
		setEntryHeaders(w.Header(), entry.GetEtag())
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	a.writeEntry(w, r, http.StatusOK, entry, f)
	return nil
}

// deleteValue answers DELETE of a key, whether or not there was one.
func (a *api) deleteValue(w http.ResponseWriter, r request) error {
	c, err := parseCondition(r.Header)
	if err != nil {
		return err
	}
	ctx, cancel := a.deadline(r)
	defer cancel()
	err = a.conditionally(ctx, r.key, c, func(p *keyvaluev1.Precondition) error {
		_, err := a.client.Delete(ctx, &keyvaluev1.DeleteRequest{Key: r.key, Precondition: p})
		return err
	})
	if err != nil {
		return err
	}
	setCommonHeaders(w.Header())
	w.WriteHeader(http.StatusNoContent)
	return nil
}
