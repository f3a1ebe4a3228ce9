package rest

import (
	"context"
	"net/http"
	"time"
)

// Observer is told of every request that this package answers.
type Observer interface {
	// Begin is called before anything is done about r, and returns the context to do it in, made from ctx.
	Begin(ctx context.Context, r *http.Request) context.Context
	// End is called when r was answered. Route is the path of its route, with {key} for a key, or empty if it has
	// none. Ctx is what Begin returned.
	End(ctx context.Context, r *http.Request, route string, status int, took time.Duration)
}

// observed answers r before the eyes of the observer.
func (a *api) observed(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	ctx = a.observer.Begin(ctx, r)
	rec := a.recorders.Get().(*recorder)
	*rec = recorder{ResponseWriter: w, status: http.StatusInternalServerError} // what a panic is answered with
	path := ""
	defer func() {
		a.observer.End(ctx, r, path, rec.status, time.Since(start))
		*rec = recorder{}
		a.recorders.Put(rec)
	}()
	if route := a.serve(ctx, rec, r); route != nil {
		path = route.template
	}
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap lets [http.ResponseController] reach the methods that are not here.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
