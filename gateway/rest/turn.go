package rest

import (
	"context"
	"net/http"

	"key-value/internal/admission"
)

// pieceBytes is how much of an answer is made in one go, which takes less than a millisecond.
const pieceBytes = 256 << 10

// answerInTurn answers r with the document that compose appends, made in one turn of the limiter: calls of compose with
// its ctx belong to it. It is written behind the turn, because the caller may read slowly.
func (a *api) answerInTurn(
	w http.ResponseWriter, r request, compose func(ctx context.Context, b []byte) ([]byte, error),
) error {
	buffer := a.buffers.Get().(*[]byte)
	defer a.keep(buffer)
	document, err := a.inTurn(r, (*buffer)[:0], compose)
	if err != nil {
		return err
	}
	*buffer = append(document, '\n')
	setCommonHeaders(w.Header())
	w.Header()["Content-Type"] = jsonType
	writeBody(w, r.Request, http.StatusOK, *buffer)
	return nil
}

func (a *api) inTurn(
	r request, b []byte, compose func(ctx context.Context, b []byte) ([]byte, error),
) ([]byte, error) {
	ctx, cancel := a.deadline(r)
	defer cancel()
	if err := a.limiter.AcquireLarge(ctx); err != nil {
		return nil, err
	}
	defer a.limiter.ReleaseLarge(ctx)
	return compose(a.limiter.WithAcquired(ctx), b)
}

// pieces has others looked at between the pieces of a document that is being made.
type pieces struct {
	limiter *admission.Limiter
	begin   int // of the current piece
}

func (a *api) inPieces(b []byte) pieces { return pieces{a.limiter, len(b)} }

// next is told what the document has become.
func (p *pieces) next(b []byte) {
	if len(b)-p.begin >= pieceBytes {
		p.limiter.Yield()
		p.begin = len(b)
	}
}
