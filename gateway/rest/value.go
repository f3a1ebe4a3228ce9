package rest

import (
	"net/http"
	"time"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/callctx"
	"key-value/internal/contract"
)

// getValue serves GET and HEAD of a key. Conditions are evaluated only if the status would be 200 without them.
func (a *api) getValue(w http.ResponseWriter, r request) error {
	c, err := parseCondition(r.Header)
	if err != nil {
		return err
	}
	if wait := preferredWait(r.Header); wait > 0 && c.noneMatch.Present() {
		return a.awaitValue(w, r, c, wait)
	}
	entry, err := a.read(r, false)
	if err != nil {
		return err
	}
	v, err := c.verdict(r, entry)
	if err != nil {
		return err
	}
	return a.writeVerdict(w, r, entry, v)
}

// read returns the entry whose key is in the path. Again says that r has read it before, and counts in the statistics
// already.
func (a *api) read(r request, again bool) (*keyvaluev1.Entry, error) {
	ctx, get := &r.serving.call, &r.serving.get
	if again {
		ctx, get = &callctx.Context{}, &keyvaluev1.GetRequest{Uncounted: true}
	}
	ctx.InitTimeout(r.Context(), a.timeout)
	defer ctx.Cancel()
	get.Key = r.key
	res, err := a.client.Get(ctx, get)
	return res.GetEntry(), err
}

// verdict is the outcome of a read of an existing entry.
type verdict struct {
	notModified bool
	format      format // unless notModified
}

func (c condition) verdict(r request, entry *keyvaluev1.Entry) (verdict, error) {
	f, err := negotiate(r.Header["Accept"], isText(entry))
	if err != nil {
		return verdict{}, err
	}
	if err := c.checkMatch(state{exists: true, etag: entry.GetEtag()}); err != nil {
		return verdict{}, err
	}
	modified := modifiedAt(entry)
	if !c.unmodified.IsZero() && modified.After(c.unmodified) {
		return verdict{}, contract.ETagMismatch.Errorf("If-Unmodified-Since: the entry was modified after that time")
	}
	v := verdict{notModified: c.noneMatch.MatchesWeakly(entry.GetEtag()), format: f}
	if since, ok := dateIn(r.Header["If-Modified-Since"]); ok && !c.noneMatch.Present() {
		v.notModified = !modified.After(since)
	}
	return v, nil
}

// modifiedAt returns when an entry was written, to the second, which is the resolution of dates in headers.
func modifiedAt(entry *keyvaluev1.Entry) time.Time {
	return time.Unix(entry.GetUpdateTime().GetSeconds(), 0)
}

// dateIn returns the date of a condition. A header that does not have exactly one valid date is ignored, as RFC 9110
// requires (sections 13.1.3 and 13.1.4).
func dateIn(values []string) (time.Time, bool) {
	if len(values) != 1 {
		return time.Time{}, false
	}
	date, err := http.ParseTime(values[0])
	return date, err == nil
}

// lastModified returns when an entry was written, for a header. It is not later than the Date header (RFC 9110, section
// 8.8.2.1), even if the clock of the service is ahead.
func lastModified(entry *keyvaluev1.Entry) time.Time {
	at := modifiedAt(entry)
	if now := time.Now(); now.Before(at) {
		at = now
	}
	return at.UTC()
}

func (a *api) writeVerdict(w http.ResponseWriter, r request, entry *keyvaluev1.Entry, v verdict) error {
	r.dated = true
	if v.notModified {
		setEntryHeaders(w.Header(), r, entry, -1)
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return a.writeEntry(w, r, http.StatusOK, entry, v.format)
}

// deleteValue serves DELETE of a key, whether or not the key exists.
func (a *api) deleteValue(w http.ResponseWriter, r request) error {
	c, err := parseWriteCondition(r.Header)
	if err != nil {
		return err
	}
	ctx := a.withTimeout(r)
	defer ctx.Cancel()
	var res *keyvaluev1.DeleteResponse
	err = a.conditionally(ctx, r.key, c, func(p *keyvaluev1.Precondition) (err error) {
		res, err = a.client.Delete(ctx, &keyvaluev1.DeleteRequest{Key: r.key, Precondition: p})
		return err
	})
	if err != nil {
		return err
	}
	setCommonHeaders(w.Header())
	setRevision(w.Header(), res.GetRevision())
	w.WriteHeader(http.StatusNoContent)
	return nil
}

type getBody struct {
	Key          string `json:"key"`
	AllowMissing bool   `json:"allowMissing"`
}

func (b *getBody) operation() (*keyvaluev1.Operation, error) {
	get := &keyvaluev1.GetRequest{Key: b.Key, AllowMissing: b.AllowMissing}
	return contract.Get.Wrap(get), nil
}

type deleteBody struct {
	Key          string            `json:"key"`
	Precondition *preconditionBody `json:"precondition"`
}

func (b *deleteBody) operation() (*keyvaluev1.Operation, error) {
	p, err := b.Precondition.precondition()
	del := &keyvaluev1.DeleteRequest{Key: b.Key, Precondition: p}
	return contract.Delete.Wrap(del), err
}
